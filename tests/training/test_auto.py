"""What ``auto`` becomes on the facts of a train split."""

import re
from typing import Any

import numpy as np
import pytest

from ncvqvae.config import CHOSEN_BY_SAMPLES, Config, PriorConfig, TokenizerConfig, load_config, preset_names, to_dict
from ncvqvae.data.facts import TrainFacts
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.training.auto import LINEAR_CASES, LINEAR_RANK, MAX_CODES, TIED_CODES, Choice, choose_augmentation, resolve

N, T = 60, 128
Y = np.arange(N) % 2


AFTER_TRAINING = {f"sampling.{name}" for name in CHOSEN_BY_SAMPLES}
BY_SERIES = {
    name: Choice(value, "for this test")
    for name, value in (("augmentation", "slice"), ("stage2.time_warp", 0.1), ("sampling.time_warp", 0.0))
}


def chosen(X: np.ndarray, y: np.ndarray) -> str:
    return choose_augmentation(ScaledSeries(X, GlobalScaler().fit(X)), y, seed=0).value


def of_frequency() -> np.ndarray:
    """Both classes are waves everywhere; one is a sixth faster."""
    phases = np.random.default_rng(0).random((N, 1))
    rates = np.where(Y == 0, 12.0, 14.0)[:, None]
    return np.sin(2 * np.pi * (rates * np.arange(T) / T + phases))[:, None]


def of_order() -> np.ndarray:
    """Both classes have a peak and a step; they differ in which comes first."""
    rng = np.random.default_rng(0)
    time, shift = np.arange(T), rng.integers(-8, 9, size=(N, 1))
    peak = np.exp(-((time - 32 - shift) ** 2) / 50.0)
    step = np.where((time > 86 + shift) & (time < 106 + shift), 1.0, 0.0)
    X = peak + step
    X[Y == 1] = X[Y == 1, ::-1]
    return (X + 0.05 * rng.normal(size=X.shape))[:, None]


def test_views_keep_what_tells_the_classes_apart() -> None:
    assert chosen(of_frequency(), Y) == "slice"
    assert chosen(of_order(), Y) == "warp"


def test_the_choice_needs_labels() -> None:
    assert chosen(of_frequency(), np.zeros(N, int)) == "warp"


@pytest.mark.parametrize(("n", "expected"), [(31, "gauss"), (32, "slice")])
def test_few_series_get_noisy_views(n: int, expected: str) -> None:
    assert chosen(of_frequency()[:n], Y[:n]) == expected


def test_gaps_are_filled_in() -> None:
    X = of_frequency()
    X[:, :, 20:24] = np.nan
    assert chosen(X, Y) == "slice"


def test_the_reason_says_what_was_seen() -> None:
    X = of_order()
    found = choose_augmentation(ScaledSeries(X, GlobalScaler().fit(X)), Y, seed=0)
    said = re.fullmatch(r"a classifier names (\S+) of the views rightly; slice (\S+)", found.reason)
    readable, other = map(float, said.groups())  # type: ignore[union-attr]
    assert 0.8 < readable <= 1.0 and other < readable


# ---------------------------------------------------------------- what follows from sizes


def facts(n_cases: int = 100, n_classes: int = 2, n_timepoints: int = 32) -> TrainFacts:
    classes = np.arange(n_classes)
    return TrainFacts(n_cases, 1, n_timepoints, False, False, classes, np.ones(n_classes, int), None)


@pytest.mark.parametrize("n_codes", [TIED_CODES, TIED_CODES + 1])
def test_auto_ties_the_output_to_few_codes(n_codes: int) -> None:
    asked = Config(prior=PriorConfig(input_mode="auto"), tokenizer=TokenizerConfig(codebook_size=n_codes))
    expected = "token" if n_codes == TIED_CODES else "codebook-finetuned"
    assert resolve(asked, facts()).config.prior.input_mode == expected


def test_the_input_follows_the_codes_that_the_data_asks_for() -> None:
    asked = Config(prior=PriorConfig(input_mode="auto"), tokenizer=TokenizerConfig(codes_per_class=4))
    config = resolve(asked, facts(n_classes=60)).config
    assert (config.tokenizer.codebook_size, config.prior.input_mode) == (240, "codebook-finetuned")


@pytest.mark.parametrize(
    ("codebook_size", "tokens_per_code", "n_cases", "expected"),
    [(32, 20, 10, 32), (32, 20, 100, 200), (32, 1, 10**6, MAX_CODES), (1000, 1, 10**6, 1000), (32, 0, 10**6, 32)],
)
def test_the_codebook_grows_with_the_tokens_up_to_a_limit(
    codebook_size: int, tokens_per_code: int, n_cases: int, expected: int
) -> None:
    asked = Config(tokenizer=TokenizerConfig(codebook_size=codebook_size, tokens_per_code=tokens_per_code))
    assert resolve(asked, facts(n_cases)).config.tokenizer.codebook_size == expected  # 40 tokens a series


@pytest.mark.parametrize(
    ("group", "name", "least_cases", "below", "above"),
    [
        ("prior", "linear_rank", LINEAR_CASES, 0, LINEAR_RANK),
        ("stage1", "warped_share", 32, 0.0, 0.5),
        ("stage2", "token_temperature", 32, 1.0, 0.1),
    ],
)
def test_few_series_get_settings_of_their_own(
    group: str, name: str, least_cases: int, below: float, above: float
) -> None:
    asked = Config()
    setattr(getattr(asked, group), name, "auto")
    for n_cases, expected in ((least_cases - 1, below), (least_cases, above)):
        assert getattr(getattr(resolve(asked, facts(n_cases)).config, group), name) == expected
    setattr(getattr(asked, group), name, 1)
    assert getattr(getattr(resolve(asked, facts(2)).config, group), name) == 1


@pytest.mark.parametrize("preset", preset_names())
def test_nothing_is_left_to_the_data_and_the_machine_and_the_networks_have_their_say_later(preset: str) -> None:
    asked = load_config(preset)
    before = to_dict(asked)
    config, lines = resolve(asked, facts(), BY_SERIES)
    left = {name for name, value in flat(to_dict(config)).items() if value == "auto"}
    asks_the_machine = {"device", "stage1.precision", "stage2.precision", "sampling.precision"}
    assert left <= {*asks_the_machine, *AFTER_TRAINING, "embedding.parts_weight"}
    assert to_dict(asked) == before
    assert resolve(config, facts()) == (config, [])
    settled = {name for name, value in flat(to_dict(config)).items() if value != flat(before)[name]}
    assert settled - {"tokenizer.codes_per_class", "tokenizer.tokens_per_code"} <= {
        line.split(":")[0] for line in lines
    }


def flat(values: dict[str, Any], where: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{where}{key}.") if isinstance(value, dict) else {f"{where}{key}": value}
    return found


def test_each_choice_has_its_line() -> None:
    lines = resolve(load_config("default"), facts(), BY_SERIES).lines
    assert lines == [
        "augmentation: slice (for this test)",
        "sampling.time_warp: 0.0 (for this test)",
        "tokenizer.codebook_size: 32 (the data asks for no more)",
        "stage1.warped_share: 0.5 (100 series, at least 32)",
        "prior.linear_rank: 0 (100 series, fewer than 1000: they would follow their class less)",
        "prior.input_mode: token (32 codes, at most 64)",
        "stage2.token_temperature: 0.1 (100 series, at least 32)",
    ]
