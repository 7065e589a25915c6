import numpy as np
import pytest

from ncvqvae import NCVQVAE
from ncvqvae.data.few import FEW_TO_LEARN, few_series


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("ab" * 30, "ab" * 5, []),
        ("ab" * 30, "ab" * 4, ["series of 'a', 'b' to evaluate on"]),
        ("ab" * 30, "a" * 9, ["series of 'b' to evaluate on"]),
        ("a" * 30 + "b", "a" * 9, ["one series of 'b'", "series of 'b' to evaluate on"]),
        ("ab" * 9, "ab" * 5, ["18 series to train on"]),
    ],
)
def test_what_there_is_too_little_of_is_said(train: str, test: str, said: list[str]) -> None:
    lines = few_series(np.array(list(train)), len(train), np.array(list(test)), len(test))
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_series_without_labels_are_counted_together() -> None:
    assert few_series(None, FEW_TO_LEARN, None, 5) == []
    lines = few_series(None, FEW_TO_LEARN - 1, None, 4)
    assert [line[:9] for line in lines] == ["19 series", "fewer tha"]


def test_fit_warns_of_few_series_and_of_a_class_of_one() -> None:
    X = np.random.default_rng(0).normal(size=(6, 1, 16))
    tiny = {
        "tokenizer.hidden_channels": 4,
        "tokenizer.n_residual_blocks": 1,
        "stage1.max_steps": 1,
        "stage1.projector_width": 8,
        "prior.n_layers": 1,
        "prior.width": 8,
        "stage2.max_steps": 1,
    }
    with pytest.warns(UserWarning, match=r"6 series to train on|one series of 'b'") as warned:
        NCVQVAE("quick", settings=tiny).fit(X, list("aaaaab"))
    assert sum("6 series" in str(w.message) or "'b'" in str(w.message) for w in warned) == 2
