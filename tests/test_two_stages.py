"""Both stages together: stage 2 and evaluation leave the tokenizer alone, and a killed fit ends as an unbroken one."""

import ctypes
import logging
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from tests.references.codebook import nearest, stochastic_probabilities
from torch import Tensor

import ncvqvae.commands.score
from ncvqvae import NCVQVAE
from ncvqvae.data import Splits
from ncvqvae.evaluation.fcn import FCN
from ncvqvae.hardware import freed_pages_kept, keep_freed_pages, restore_malloc
from ncvqvae.training.loop import train

SETTINGS = {
    "tokenizer.hidden_channels": 8,
    "tokenizer.n_residual_blocks": 1,
    "tokenizer.codebook_size": 8,
    "stage1.batch_size": 8,
    "stage1.max_steps": 3,
    "stage1.projector_width": 16,
    "stage1.precision": "32-true",
    "prior.width": 16,
    "prior.head_width": 8,
    "prior.n_layers": 1,
    "stage2.batch_size": 8,
    "stage2.max_steps": 3,
    "stage2.precision": "32-true",
}
RNG = np.random.default_rng(0)
X, Y = RNG.normal(5, 2, size=(18, 1, 32)).astype(np.float32), np.array(["a", "b", "b"] * 6)
X_TEST, Y_TEST = RNG.normal(5, 2, size=(12, 1, 32)).astype(np.float32), np.array(["a", "b"] * 6)

Weights = dict[str, Tensor]


def unfitted(**settings: Any) -> NCVQVAE:
    return NCVQVAE(settings=SETTINGS | settings)


def weights(model: NCVQVAE) -> Weights:
    """Every parameter and buffer of both networks, copied."""
    parts = {"tokenizer": model.tokenizer_, "prior": model.prior_}
    return {f"{part}.{name}": v.clone() for part, net in parts.items() for name, v in net.state_dict().items()}


def differing(ours: Weights, theirs: Weights) -> list[str]:
    assert ours.keys() == theirs.keys()
    return [name for name, value in ours.items() if not torch.equal(value, theirs[name])]


@pytest.fixture(scope="module")
def unbroken() -> NCVQVAE:
    return unfitted().fit(X, Y)


# ---------------------------------------------------------------- who may change what


@pytest.mark.parametrize("mode", ["token", "codebook", "codebook-finetuned"])
def test_stage_2_leaves_the_tokenizer_bit_identical(mode: str) -> None:
    model, after_stage1 = unfitted(**{"prior.input_mode": mode, "stage2.learning_rate": 0.1}), {}

    def report(stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        if stage == "stage1" and step == n_steps:
            after_stage1.update({name: v.clone() for name, v in model.tokenizer_.state_dict().items()})

    model.fit(X, Y, report=report)
    model.tokenizer_.residuals = model.tokenizer_.reduction = (
        None  # taken from the trained tokenizer, after both stages
    )
    assert differing(model.tokenizer_.state_dict(), after_stage1) == []
    # the prior starts from the codebook, and keeps it where it is frozen
    assert torch.equal(model.prior_.codes, model.tokenizer_.codebook) == (mode == "codebook")


USES: dict[str, Callable[[NCVQVAE], object]] = {
    "transform": lambda model: model.transform(X_TEST),
    "transform tokens": lambda model: model.transform(X_TEST, embedding="tokens"),
    "encode": lambda model: model.encode(X_TEST),
    "reconstruct": lambda model: model.reconstruct(X_TEST),
    "sample": lambda model: model.sample(5),
    "sample unconditional": lambda model: model.sample(5, unconditional=True),
    "decoding_steps": lambda model: model.decoding_steps(5).probabilities,
    "reconstruction_loss": lambda model: model.reconstruction_loss(X_TEST),
    "prior_loss": lambda model: model.prior_loss(X_TEST, Y_TEST),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_evaluation_leaves_every_value_bit_identical(unbroken: NCVQVAE, use: Callable[[NCVQVAE], object]) -> None:
    before, generator = weights(unbroken), torch.get_rng_state()
    use(unbroken)
    assert differing(weights(unbroken), before) == []
    assert torch.equal(torch.get_rng_state(), generator)
    assert not unbroken.tokenizer_.training and not unbroken.prior_.training


def test_scoring_on_a_changed_test_split_changes_nothing_fitted(
    unbroken: NCVQVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcn = FCN(1, 1).eval()
    monkeypatch.setattr(ncvqvae.commands.score, "feature_extractor", lambda *_: fcn)
    monkeypatch.setattr(ncvqvae.commands.score, "n_unconditional", lambda n: 16)
    before, scaler = weights(unbroken), unbroken.scaler_.get_state()
    tokens, figures = unbroken.encode(X), []
    for X_test in (X_TEST, X_TEST[::-1].copy(), 50 * X_TEST):
        splits = Splits("toy", X, None, X_test, None, "")
        figures.append(ncvqvae.commands.score.score_model(unbroken, splits).metrics)
        assert differing(weights(unbroken), before) == []
        assert unbroken.scaler_.get_state() == scaler
        assert np.array_equal(unbroken.encode(X), tokens)
    assert figures[2]["val_recon"] > 10 * figures[0]["val_recon"]  # the split was looked at


def test_scaling_is_that_of_the_train_split(unbroken: NCVQVAE) -> None:
    np.testing.assert_allclose(unbroken.scaler_.mean_, X.mean(), rtol=1e-5)
    np.testing.assert_allclose(unbroken.scaler_.scale_, X.std(), rtol=1e-5)


def test_fit_leaves_the_global_generators_alone() -> None:
    def states() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    before = states()
    unfitted().fit(X, Y)
    assert states() == before


# ---------------------------------------------------------------- seeds, history


def test_the_seed_alone_decides_the_weights(unbroken: NCVQVAE) -> None:
    torch.manual_seed(7)
    assert differing(weights(unfitted().fit(X, Y)), weights(unbroken)) == []
    assert len(differing(weights(unfitted(seed=1).fit(X, Y)), weights(unbroken))) > 20


def test_a_time_estimate_changes_nothing_in_the_training(unbroken: NCVQVAE) -> None:
    model = unfitted()
    seconds = model.estimate_seconds(X, Y)
    assert set(seconds) == {"stage1", "stage2", "sampling"} and all(value > 0 for value in seconds.values())
    assert differing(weights(model.fit(X, Y)), weights(unbroken)) == []


def test_history_has_every_term_of_both_stages(unbroken: NCVQVAE) -> None:
    assert [(row["stage"], row["step"]) for row in unbroken.history_] == [
        (stage, step) for stage in ("stage1", "stage2") for step in (1, 2, 3)
    ]
    stage1_terms = {"recon", "commit", "patches", "ssl"}
    assert set(unbroken.history_[0]) == {"stage", "step", "loss", "perplexity", *stage1_terms}
    assert set(unbroken.history_[-1]) == {"stage", "step", "loss", "prior"}
    assert set(unbroken.seconds_) == {"stage1", "stage2"} and min(unbroken.seconds_.values()) > 0


# ---------------------------------------------------------------- killed and resumed


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("kill_at", [("stage1", 3), ("stage2", 1), ("stage2", 3)], ids=str)
def test_killed_and_resumed_fit_ends_as_unbroken(
    kill_at: tuple[str, int], unbroken: NCVQVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train.__kwdefaults__, "checkpoint_seconds", 0)  # type: ignore[arg-type]

    def report(stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        if (stage, step) == kill_at:
            raise Killed

    with pytest.raises(Killed):
        unfitted().fit(X, Y, checkpoints=tmp_path, report=report)
    steps: list[tuple[str, int]] = []
    resumed = unfitted().fit(X, Y, checkpoints=tmp_path, report=lambda stage, step, *_: steps.append((stage, step)))
    everything = [(stage, step) for stage in ("stage1", "stage2") for step in (1, 2, 3)]
    assert steps == everything[everything.index(kill_at) :]  # what was done is not done again
    assert differing(weights(resumed), weights(unbroken)) == []
    assert resumed.history_ == unbroken.history_
    assert np.array_equal(resumed.sample(5).X, unbroken.sample(5).X)


# ---------------------------------------------------------------- what each stage is shown


def batches_of(model: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Tensor], Any]]:
    """How each stage of a fit takes its batches, without the training."""
    stages: list[Any] = []
    monkeypatch.setattr(lightning.Trainer, "fit", lambda _, stage, *__, **___: stages.append(stage))
    model.fit(X, Y)
    return [stage.get_batch for stage in stages]


def test_stage_1_sees_scaled_series_and_a_view_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model = unfitted(augmentation="slice")
    rows = torch.tensor([4, 0, 7])
    x, view = batches_of(model, monkeypatch)[0](rows)
    np.testing.assert_allclose(x, (X[rows] - X.mean()) / X.std(), rtol=1e-4, atol=1e-5)
    assert not torch.equal(x, view) and torch.equal(x.sort(2).values, view.sort(2).values)
    assert len(batches_of(unfitted(ssl="none"), monkeypatch)[0](rows)) == 1
    (warped,) = batches_of(unfitted(ssl="none", **{"stage1.warped_share": 1.0}), monkeypatch)[0](rows)
    assert not torch.isclose(warped, x).all(dim=(1, 2)).any()


def test_a_fitted_model_says_what_auto_stood_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for n_cases, augmentation in ((31, "gauss"), (32, "slice")):
        model = NCVQVAE(augmentation="auto", settings=SETTINGS)
        monkeypatch.setattr(lightning.Trainer, "fit", lambda *_, **__: None)
        model.fit(np.resize(X, (n_cases, *X.shape[1:])), np.resize(Y, n_cases))
        assert (model.augmentation, model.config_.augmentation) == ("auto", augmentation)


def test_a_naive_model_chooses_no_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncvqvae.training.auto.choose_augmentation", lambda *_: pytest.fail("asked for views"))
    model = NCVQVAE(ssl="none", augmentation="auto", settings=SETTINGS).fit(X, Y)
    assert np.isfinite(model.sample(2).X).all()


@pytest.mark.parametrize(("given", "temperature"), [(1.0, 1.0), (20.0, 20.0), ("auto", 1.0)])
def test_stage_2_draws_tokens_by_their_distances(
    given: float | str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = unfitted(**{"stage2.token_temperature": given})
    get_batch = batches_of(model, monkeypatch)[1]
    n = 4000
    torch.manual_seed(0)
    tokens, classes = get_batch(torch.full((n,), 1))
    assert model.classes_[classes].tolist() == ["b"] * n
    with torch.no_grad():
        latents = model.tokenizer_.embed(torch.from_numpy(model.scaler_.transform(X[1:2])))[0].double().numpy()
    expected = stochastic_probabilities(latents, model.tokenizer_.codebook.double().numpy(), temperature)
    share = np.stack([np.bincount(column, minlength=8) / n for column in tokens.numpy().T])
    assert (np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / n) + 1e-4).all()


@pytest.mark.parametrize("kept", [2**26, 0])
def test_stage_2_takes_the_nearest_codes_when_asked(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the latents of all series are kept, or made for each batch."""
    monkeypatch.setattr("ncvqvae.training.stages.MAX_LATENTS", kept)
    model = unfitted(**{"stage2.stochastic_tokens": False})
    tokens, classes = batches_of(model, monkeypatch)[1](torch.arange(18))
    with torch.no_grad():
        latents = model.tokenizer_.embed(torch.from_numpy(model.scaler_.transform(X)))
    expected = nearest(latents.reshape(-1, 8).double().numpy(), model.tokenizer_.codebook.double().numpy())
    assert np.array_equal(tokens.flatten(), expected)
    assert model.classes_[classes].tolist() == Y.tolist()


@pytest.mark.parametrize("ssl", ["none", "barlowtwins", "vibcreg"])
def test_every_kind_of_model_trains_and_samples(ssl: str) -> None:
    model = unfitted(ssl=ssl, augmentation="warp").fit(X, Y)
    assert all(np.isfinite(row["loss"]) for row in model.history_)
    assert model.sample(3).X.shape == (3, 1, 32)
    assert ("ssl" in model.history_[0]) == (ssl != "none")


# ---------------------------------------------------------------- what belongs to the calling program


def test_a_fit_leaves_warning_filters_and_loggers_of_the_program_alone() -> None:
    names = ("lightning.pytorch", "lightning.fabric", "lightning", "")
    levels = [logging.getLogger(name).level for name in names]
    filters = list(warnings.filters)
    unfitted().fit(X, Y).sample(2)
    assert list(warnings.filters) == filters
    assert [logging.getLogger(name).level for name in names] == levels


class MallocState(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "u", "f", "uord", "ford", "keep")
    ]


def maps_large_blocks() -> bool:
    """Whether malloc takes 64 MB from the system by themselves, as glibc does by default."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype, libc.malloc.restype = MallocState, ctypes.c_void_p
    before = libc.mallinfo2().hblks
    block = libc.malloc(ctypes.c_size_t(64 * 2**20))
    after = libc.mallinfo2().hblks
    libc.free(ctypes.c_void_p(block))
    return after == before + 1


def needs_the_main_arena() -> None:
    """Skip where malloc cannot be asked: after a failed allocation a thread has an arena that always maps."""
    if not hasattr(ctypes.CDLL("libc.so.6"), "mallinfo2"):
        pytest.skip("an older glibc")
    keep_freed_pages()
    maps = maps_large_blocks()
    restore_malloc()
    if maps:
        pytest.skip("an earlier test ran out of memory on purpose, so this thread has an arena of its own")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_fit_leaves_the_allocator_of_the_program_as_it_was() -> None:
    needs_the_main_arena()
    seen = []
    restore_malloc()
    assert maps_large_blocks()
    model = unfitted()
    model.fit(X, Y, report=lambda *_: seen.append(maps_large_blocks()))
    assert not any(seen) and maps_large_blocks()
    model.sample(2)
    assert maps_large_blocks()
    model.estimate_seconds(X, Y)
    assert maps_large_blocks()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_the_last_of_several_contexts_restores_the_allocator() -> None:
    needs_the_main_arena()
    restore_malloc()
    with freed_pages_kept():
        with freed_pages_kept():
            assert not maps_large_blocks()
        assert not maps_large_blocks()
    assert maps_large_blocks()
