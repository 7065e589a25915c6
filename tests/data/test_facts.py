"""What a model keeps of its train split can be read back from ``config.yaml``, or is refused before training."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from ncvqvae import InputError
from ncvqvae.cli import main
from ncvqvae.config import kept, load_config
from ncvqvae.data import GlobalScaler
from ncvqvae.data.facts import TrainFacts
from ncvqvae.validation import MAX_FILE, parse_yaml


def stored(facts: TrainFacts, scaler: GlobalScaler) -> str:
    """The text of ``config.yaml``: settings as asked and as they became, facts and scaler, digests."""
    settings = kept(load_config())
    values = {"asked": settings, "model": settings, "data": {**facts.to_state(), "scaler": scaler.get_state()}}
    return yaml.dump({**values, "weights": {"a": "0" * 64, "b": "0" * 64}}, Dumper=yaml.CSafeDumper, sort_keys=False)


def facts_of(n_classes: int, n_pairs: int, n_channels: int) -> tuple[TrainFacts, GlobalScaler]:
    """Facts of series with so many classes, pairs of class and length (0: all of one length), and channels."""
    place = np.arange(max(n_pairs, n_classes, 2))
    lengths = 2 + place // n_classes if n_pairs else np.full(len(place), 2)
    steps = np.arange(lengths.max(), dtype=np.float32)
    X = np.where(steps < lengths[:, None], steps, np.float32(np.nan))[:, None].repeat(n_channels, axis=1)
    names = np.array([f"class {number}" for number in range(n_classes)])
    return TrainFacts.of(X, names[place % n_classes] if n_classes else None, X), GlobalScaler().fit(X)


MOST = {
    "48,549 combinations of class and length": ((300, 48_548, 1), (300, 48_549, 1)),
    "32,666 classes": ((32_665, 0, 1), (32_666, 0, 1)),
    "32,667 channels": ((0, 0, 32_666), (0, 0, 32_667)),
}


@pytest.mark.parametrize("words", MOST)
def test_the_most_that_is_let_through_is_read_back(words: str) -> None:
    most, too_many = MOST[words]
    facts, scaler = facts_of(*most)
    text = stored(facts, scaler)
    assert len(text) < MAX_FILE
    again = TrainFacts.from_state(parse_yaml(text, "config.yaml")["data"])
    assert again.to_state() == facts.to_state()
    with pytest.raises(InputError, match=f"^{words} are more than config.yaml of a model can hold; "):
        facts_of(*too_many)


def test_labels_of_too_many_characters_are_refused() -> None:
    y = np.array([f"{number:0900d}" for number in range(4500)])
    with pytest.raises(InputError, match=r"labels of 4,059,000 characters .* shorten them"):
        TrainFacts.of(np.arange(9000.0).reshape(4500, 2), y, np.arange(9000.0).reshape(4500, 1, 2))


def test_fit_refuses_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y = np.arange(33_000)
    np.savez(tmp_path / "many.npz", X=np.random.default_rng(0).normal(size=(33_000, 16)).astype(np.float32), y=y)
    test = ["--test", str(tmp_path / "many.npz")]
    with pytest.raises(SystemExit) as stopped:
        main(["fit", str(tmp_path / "many.npz"), *test, "--preset", "quick", "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert stopped.value.code == 2 and said.startswith("ncvqvae: 33,000 classes are more than")
    assert not (tmp_path / "run").exists()
