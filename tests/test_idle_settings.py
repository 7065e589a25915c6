"""Settings that change nothing beside others: they are said, and the table of them is true."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE
from ncvqvae.cli import main
from ncvqvae.commands.fit import fit_run
from ncvqvae.commands.run_folder import DataSource
from ncvqvae.config import IDLE, idle_settings

TWO_VALUES: dict[str, tuple[Any, Any]] = {
    "augmentation": ("warp", "slice"),
    "stage1.ssl_weight": (1.0, 5.0),
    "stage1.augmented_weight": (0.1, 3.0),
    "stage1.projector_width": (8, 16),
    "stage1.high_augmentation": ("gauss", "slice"),
    "tokenizer.wavelet": ("haar", "no wavelet"),
    "tokenizer.wavelet_levels": (2, 3),
    "tokenizer.n_fft": (8, 64),
    "tokenizer.hop_length": (2, 50),
    "tokenizer.low_rows": (1, 1000),
    "tokenizer.high_latent_width": (8, 32),
    "prior.linear_span": (0, 4),
    "prior.scale_tied_logits": (True, False),
    "stage2.token_temperature": (0.1, 30.0),
    "sampling.schedule": ("cosine", "linear"),
    "sampling.choice_temperature": (0.0, 16.0),
    "sampling.residual_scale": (0.25, 1.0),
    "sampling.redraw_heating": (0.0, 9.0),
    "sampling.hidden_class": (False, True),
    "sampling.guidance_scale": (1.0, 4.0),
}
ENTRIES = [(others, name) for others, names in IDLE for name in names]


def test_each_entry_is_walked() -> None:
    assert {name for _, name in ENTRIES} == TWO_VALUES.keys()


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    """A model that keeps training series."""
    return fitted({"sampling.residual_neighbours": 3, "sampling.redraws": 2, "stage2.max_steps": 10})


def fitted(settings: Mapping[str, Any]) -> NCVQVAE:
    quiet = {"stage1.max_steps": 3, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return NCVQVAE(settings=SMALL | quiet).fit(*two_classes())


@pytest.mark.parametrize(("others", "name"), [(o, n) for o, n in ENTRIES if not n.startswith("sampling.")])
def test_it_reaches_nothing_in_a_training(others: dict[str, Any], name: str) -> None:
    one, other = (fitted({**others, name: value}) for value in TWO_VALUES[name])
    for network in ("tokenizer_", "prior_"):
        a, b = getattr(one, network).state_dict(), getattr(other, network).state_dict()
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    np.testing.assert_array_equal(one.sample(6).X, other.sample(6).X)


@pytest.mark.filterwarnings("ignore:.* changes nothing")
@pytest.mark.parametrize(("others", "name"), [(o, n) for o, n in ENTRIES if n.startswith("sampling.")])
def test_it_reaches_nothing_in_a_draw(others: dict[str, Any], name: str, model: NCVQVAE) -> None:
    given = {other.removeprefix("sampling."): value for other, value in others.items()}
    drawn = [model.sample(20, **given, **{name.removeprefix("sampling."): value}).X for value in TWO_VALUES[name]]
    np.testing.assert_array_equal(*drawn)


def test_only_what_the_user_asked_for_and_cannot_have_is_said(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"ssl": "none", "augmentation": "warp", "naive": {"stage1": {"ssl_weight": 3}}}))
    assert idle_settings("default", file=file) == [
        "augmentation warp changes nothing: ssl is none",
        "stage1.ssl_weight 3 changes nothing: ssl is none",
    ]
    assert idle_settings("default", file=file, settings={"ssl": "vibcreg"}) == []
    for preset in ("default", "paper", "quick"):
        assert idle_settings(preset) == idle_settings(preset, settings={"ssl": "none"}) == []
        assert idle_settings(preset, settings={"tokenizer.transform": "wavelet", "sampling.redraws": 0}) == []
        said = idle_settings(preset, settings={"tokenizer": {"low_rows": 3}})
        assert said == ["tokenizer.low_rows 3 changes nothing: tokenizer.bands is 1"]
        assert idle_settings(preset, settings={"tokenizer.low_rows": 3, "tokenizer.bands": 2}) == []


def test_python_warns_of_it_before_the_work(model: NCVQVAE) -> None:
    X, y = two_classes()
    with pytest.warns(UserWarning, match=r"^tokenizer\.low_rows 2 changes nothing: tokenizer\.bands is 1$"):
        NCVQVAE("quick", settings={"tokenizer.low_rows": 2, "stage1.max_steps": 1, "stage2.max_steps": 1}).fit(X, y)
    with pytest.warns(UserWarning, match="guidance_scale 2 changes nothing: unconditional is True and sampling.hidden"):
        model.sample(2, unconditional=True, guidance_scale=2, hidden_class=False)
    with pytest.warns(UserWarning, match=r"sampling\.hidden_class True changes nothing: unconditional is False"):
        model.sample(2, hidden_class=True)
    with pytest.warns(UserWarning, match=r"sampling\.residual_scale 2 changes nothing"):
        model.vary(X[:2], residual_scale=2, residual_neighbours=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.sample(2, redraw_heating=0.5)
        model.sample(2, unconditional=True, guidance_scale=2, hidden_class=True)
        model.vary(X[:2], residual_scale=2)


def test_the_command_line_says_it(tmp_path: Path) -> None:
    X, y = two_classes()
    np.savez(tmp_path / "data.npz", X=X, y=y)
    run = tmp_path / "run"
    settings = {"tokenizer.wavelet": "haar", "stage1.max_steps": 1, "stage2.max_steps": 1}
    with pytest.warns(UserWarning, match=r"tokenizer\.wavelet haar changes nothing: tokenizer\.transform is stft"):
        fit_run(DataSource(str(tmp_path / "data.npz")), NCVQVAE("quick", settings=settings), run, logger="none")
    words = ["-n", "2", "--sampling.hidden-class", "--out", str(tmp_path / "new.npz")]
    with pytest.warns(UserWarning, match=r"sampling\.hidden_class True changes nothing: unconditional is False"):
        main(["sample", str(run), *words])
    words = ["--sampling.n-steps", "1", "--sampling.schedule", "linear", "--out", str(tmp_path / "varied.npz")]
    with pytest.warns(UserWarning, match=r"sampling\.schedule linear changes nothing: sampling\.n_steps is 1"):
        main(["vary", str(run), str(tmp_path / "data.npz"), *words])
