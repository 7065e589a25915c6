"""Every recipe file loads for every kind of model, and says what its name promises."""

from importlib import resources
from pathlib import Path

import pytest
import yaml

from ncvqvae.config import Config, load_config, preset_names

FILES = sorted(Path(str(resources.files("ncvqvae") / "recipes")).iterdir())


def test_every_file_is_a_preset() -> None:
    assert {file.name for file in FILES} == {f"{name}.yaml" for name in preset_names()}
    assert {"default", "paper", "quick"} <= set(preset_names())


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("ssl", ["none", "barlowtwins", "vibcreg"])
@pytest.mark.parametrize("augmentation", ["none", "warp", "slice", "gauss"])
def test_every_recipe_loads(preset: str, ssl: str, augmentation: str) -> None:
    config = load_config(preset, settings={"ssl": ssl, "augmentation": augmentation})
    assert isinstance(config, Config)
    assert (config.ssl, config.augmentation) == (ssl, "none" if ssl == "none" else augmentation)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_recipe_says_is_what_is_loaded(file: Path) -> None:
    def check(given: dict, loaded: object) -> None:
        for key, value in given.items():
            check(value, getattr(loaded, key)) if isinstance(value, dict) else check_value(value, getattr(loaded, key))

    def check_value(given: object, loaded: object) -> None:
        assert given == loaded

    given = yaml.safe_load(file.read_text(encoding="utf-8"))
    naive = given.pop("naive", {})
    check(given, load_config(file.stem))
    check(naive, load_config(file.stem, settings={"ssl": "none"}))


def test_paper_is_the_published_pair() -> None:
    nc, naive = load_config("paper"), load_config("paper", settings={"ssl": "none"})
    for config in (nc, naive):
        tokenizer, stage1, prior, stage2 = config.tokenizer, config.stage1, config.prior, config.stage2
        assert (tokenizer.n_fft, tokenizer.hop_length, tokenizer.latent_width) == (8, 2, 8)
        assert (tokenizer.hidden_channels, tokenizer.n_residual_blocks) == (64, 4)
        assert (tokenizer.codebook_size, tokenizer.codebook_decay, tokenizer.commitment_weight) == (32, 0.9, 1)
        assert (prior.width, prior.n_layers, prior.n_heads, prior.head_width) == (256, 4, 2, 64)
        assert (stage1.epochs, stage1.batch_size, stage2.epochs, stage2.batch_size) == (1000, 128, 1000, 256)
        assert {stage1.learning_rate, stage1.weight_decay, stage2.learning_rate, stage2.weight_decay} == {1e-3}
        assert (stage1.augmented_weight, stage1.projector_width) == (0.1, 4096)
        assert (stage2.class_drop, stage2.stochastic_tokens, stage2.loss_on) == (0.2, True, "all")
        assert (config.sampling.n_steps, config.sampling.choice_temperature) == (10, 4)
    assert (nc.prior.input_mode, nc.stage2.schedule_gives) == ("codebook-finetuned", "masked")
    assert (naive.prior.input_mode, naive.stage2.schedule_gives) == ("token", "kept")


@pytest.mark.parametrize("preset", ["default", "quick"])
def test_other_presets_treat_both_kinds_of_model_alike(preset: str) -> None:
    nc, naive = load_config(preset), load_config(preset, settings={"ssl": "none"})
    assert (nc.tokenizer, nc.stage1, nc.prior, nc.stage2) == (naive.tokenizer, naive.stage1, naive.prior, naive.stage2)
    assert (nc.stage2.loss_on, nc.stage2.schedule_gives) == ("masked", "masked")
    assert nc.prior.dropout > 0


def test_quick_is_short() -> None:
    config = load_config("quick")
    assert 0 < config.stage1.max_steps <= 2000 and 0 < config.stage2.max_steps <= 2000
    assert config.tokenizer.hidden_channels < load_config("paper").tokenizer.hidden_channels


def test_every_published_fault_is_flagged_in_the_file() -> None:
    lines = next(file for file in FILES if file.stem == "paper").read_text(encoding="utf-8").splitlines()
    for setting in ("dropout: 0.0", "input_mode: codebook-finetuned", "loss_on: all", "schedule_gives: kept"):
        place = next(i for i, line in enumerate(lines) if setting in line)
        assert "# FAULT" in lines[place] or "# FAULT" in lines[place - 1]
