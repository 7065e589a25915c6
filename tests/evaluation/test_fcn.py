import ast
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.full_disk import files_end_at

from ncvqvae.errors import InputError
from ncvqvae.evaluation import fcn as fcn_module
from ncvqvae.evaluation.fcn import (
    FCN,
    FCNTraining,
    cached_fcn,
    extract,
    fcn_weights,
    load_fcn,
    save_fcn,
    train_fcn,
)

from .conftest import two_tone_series

SHORT = FCNTraining(max_steps=40, batch_size=8)


def same_weights(a: FCN, b: FCN) -> bool:
    return all(torch.equal(x, y) for x, y in zip(fcn_weights(a).values(), fcn_weights(b).values(), strict=True))


@pytest.fixture(scope="module")
def trained() -> FCN:
    return train_fcn(*two_tone_series(40, seed=0), 2, seed=0, training=SHORT)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, left: int) -> np.ndarray:
    """Cross-correlation written as sums: (C, L) → (O, L), with `left` zeros before the series."""
    n_out, _, kernel = weight.shape
    padded = np.pad(x, ((0, 0), (left, kernel - 1 - left)))
    return np.array(
        [[np.sum(weight[o] * padded[:, t : t + kernel]) + bias[o] for t in range(x.shape[1])] for o in range(n_out)]
    )


def test_features_equal_a_numpy_transcription(trained: FCN) -> None:
    X = two_tone_series(2, seed=5, length=11).X
    w = {name: tensor.numpy().astype(np.float64) for name, tensor in fcn_weights(trained).items()}
    for series, row, p in zip(X, *extract(trained, X), strict=True):
        h = series.astype(np.float64)
        for i, left in enumerate((3, 2, 1)):
            h = convolve(h, w[f"block{i}.conv.weight"], w[f"block{i}.conv.bias"], left)
            mean, var = w[f"block{i}.norm.running_mean"], w[f"block{i}.norm.running_var"]
            scale, shift = w[f"block{i}.norm.weight"], w[f"block{i}.norm.bias"]
            h = np.maximum((h - mean[:, None]) / np.sqrt(var[:, None] + 1e-5) * scale[:, None] + shift[:, None], 0)
        np.testing.assert_allclose(row, h.mean(axis=1), rtol=1e-4, atol=1e-5)
        logits = w["head.weight"] @ h.mean(axis=1) + w["head.bias"]
        np.testing.assert_allclose(p, np.exp(logits) / np.exp(logits).sum(), rtol=1e-3, atol=1e-6)


def test_it_learns_what_can_be_learned(trained: FCN) -> None:
    X, y = two_tone_series(60, seed=1)
    assert (extract(trained, X).probabilities.argmax(1) == y).mean() > 0.95


def test_chunks_do_not_matter_and_no_buffer_changes(trained: FCN) -> None:
    X = two_tone_series(23, seed=2).X
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    whole, chunked = extract(trained.train(), X, batch_size=23), extract(trained, X, batch_size=4)
    assert trained.training
    trained.eval()
    np.testing.assert_allclose(chunked.features, whole.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(chunked.probabilities.sum(1), 1)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_training_is_seeded_and_leaves_global_generators_alone() -> None:
    X, y = two_tone_series(12, seed=0)
    few = FCNTraining(max_steps=3)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (train_fcn(X, y, 2, seed=1, training=few) for _ in range(2))
    other = train_fcn(X, y, 2, seed=2, training=few)
    assert same_weights(first, again)
    assert not same_weights(first, other)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_channels_and_tiny_sets() -> None:
    X = np.random.default_rng(0).normal(size=(3, 3, 17)).astype(np.float32)
    fcn = train_fcn(X, np.array([0, 1, 4]), 5, seed=0, training=FCNTraining(max_steps=2))
    assert extract(fcn, X).features.shape == (3, 128)
    assert extract(fcn, X).probabilities.shape == (3, 5)


def test_steps_are_epochs_within_bounds() -> None:
    training = FCNTraining(epochs=10, min_steps=20, max_steps=100, max_points=64_000, batch_size=16)
    assert training.n_steps(n_cases=80, n_timepoints=10) == 50
    assert training.n_steps(n_cases=16, n_timepoints=10) == 20
    assert training.n_steps(n_cases=10_000, n_timepoints=10) == 100
    assert training.n_steps(n_cases=10_000, n_timepoints=1000) == 4
    assert training.n_steps(n_cases=10_000, n_timepoints=10**7) == 1
    assert training.n_steps(n_cases=3, n_timepoints=1000) == 20  # batches of three
    assert training.n_steps(n_cases=1, n_timepoints=10) == 20


def test_batches_use_every_row_before_any_again() -> None:
    batches = fcn_module._shuffled_batches(7, 3, torch.Generator().manual_seed(0))
    rows = torch.cat([next(batches) for _ in range(7)]).reshape(3, 7)
    assert torch.equal(rows.sort(dim=1).values, torch.arange(7).expand(3, 7))
    assert not torch.equal(rows[0], rows[1])


def test_save_and_load(trained: FCN, tmp_path: Path) -> None:
    save_fcn(trained, tmp_path / "deep" / "fcn.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["fcn.safetensors"]
    loaded = load_fcn(tmp_path / "deep" / "fcn.safetensors", n_channels=1, n_classes=2)
    assert same_weights(trained, loaded)
    assert not loaded.training


@pytest.mark.parametrize("fault", ["missing", "text", "truncated", "foreign", "shapes", "channels", "classes"])
def test_a_file_that_does_not_fit_is_refused_in_one_line(trained: FCN, tmp_path: Path, fault: str) -> None:
    path, wanted = tmp_path / "fcn.safetensors", {"n_channels": 1, "n_classes": 2}
    if fault == "text":
        path.write_text("not weights")
    elif fault == "foreign":
        save_file({"weight": torch.zeros(3)}, path)
    elif fault == "shapes":
        save_file(fcn_weights(trained) | {"block1.conv.weight": torch.zeros(256, 128, 7)}, path)
    elif fault != "missing":
        save_fcn(trained, path)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    wanted |= {"channels": {"n_channels": 3}, "classes": {"n_classes": 5}}.get(fault, {})
    with pytest.raises(InputError) as error:
        load_fcn(path, **wanted)
    assert "fcn.safetensors" in str(error.value)
    assert "\n" not in str(error.value)


def test_cache_trains_once_per_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = train_fcn

    def counted(*args, **kwargs) -> FCN:
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(fcn_module, "train_fcn", counted)
    X, y = two_tone_series(8, seed=0)
    few = FCNTraining(max_steps=2)
    first = cached_fcn(X, y, 2, 0, tmp_path, few)
    assert same_weights(first, cached_fcn(X.copy(), y.astype(np.int32), 2, 0, tmp_path, few))
    assert len(calls) == 1
    changed = X.copy()
    changed[0, 0, 0] += 1
    for args in ((changed, y, 2, 0), (X, 1 - y, 2, 0), (X, y, 3, 0), (X, y, 2, 1)):
        cached_fcn(*args, tmp_path, few)
    cached_fcn(X, y, 2, 0, tmp_path, FCNTraining(max_steps=3))
    fast = fcn_module.fast_bf16("cpu")
    monkeypatch.setattr(fcn_module, "fast_bf16", lambda device: not fast)
    cached_fcn(X, y, 2, 0, tmp_path, few)  # weights of the other precision are other weights
    assert len(calls) == 7
    assert len(list(tmp_path.iterdir())) == 7
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_a_damaged_cache_entry_is_replaced(tmp_path: Path) -> None:
    X, y = two_tone_series(8, seed=0)
    few = FCNTraining(max_steps=2)
    first = cached_fcn(X, y, 2, 0, tmp_path, few)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"damaged")
    assert same_weights(first, cached_fcn(X, y, 2, 0, tmp_path, few))
    assert same_weights(first, load_fcn(entry))


# ---------------------------------------------------------------- a cache that cannot be used


def _a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


def _below_a_file(folder: Path) -> Path:
    return _a_file(folder) / "cache"


def _a_link_to_itself(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def _too_long_a_name(folder: Path) -> Path:
    return folder / ("x" * 300)


def _in_proc(folder: Path) -> Path:
    return Path("/proc/cache")


@pytest.mark.parametrize("place", [_a_file, _below_a_file, _a_link_to_itself, _too_long_a_name, _in_proc])
def test_a_cache_that_cannot_be_made_is_a_warning(place: Callable[[Path], Path], tmp_path: Path) -> None:
    X, y = two_tone_series(8, seed=0)
    few = FCNTraining(max_steps=2)
    with pytest.warns(UserWarning, match=r"the FCN is not kept in .* \(.*\).*set NCVQVAE_CACHE_DIR") as said:
        made = cached_fcn(X, y, 2, 0, place(tmp_path), few)
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert same_weights(made, train_fcn(X, y, 2, seed=0, training=few))


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_full_cache_is_a_warning_and_stays_as_it_was(tmp_path: Path) -> None:
    X, y = two_tone_series(8, seed=0)
    with files_end_at(1000), pytest.warns(UserWarning, match=r"the FCN is not kept in .*File too large"):
        cached_fcn(X, y, 2, 0, tmp_path, FCNTraining(max_steps=2))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="needs file modes")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read_an_entry(umask: int, mode: int, trained: FCN, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        save_fcn(trained, tmp_path / "fcn.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "fcn.safetensors").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="needs two users")
def test_two_users_share_a_cache(tmp_path: Path) -> None:
    """The second reads what the first made, and goes on with a warning where it may not write."""
    X, y = two_tone_series(8, seed=0)
    few = FCNTraining(max_steps=2)
    cache = Path(tempfile.mkdtemp(dir="/tmp")) / "cache"  # the second user may enter /tmp, but not pytest's folders
    try:
        cache.parent.chmod(0o755)
        first = cached_fcn(X, y, 2, 0, cache, few)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            torch.set_num_threads(1)  # other threads do not live on in a fork
            fcn_module.train_fcn = lambda *_, **__: first
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    same = same_weights(first, cached_fcn(X, y, 2, 0, cache, few))  # no warning: it was read
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    cached_fcn(X, 1 - y, 2, 0, cache, few)
                os.write(write, repr((same, [str(each.message) for each in said])).encode())
            except BaseException as error:
                os.write(write, repr((False, [repr(error)])).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        same, said = ast.literal_eval(os.read(read, 10_000).decode())
        assert same and len(said) == 1 and "Permission denied" in said[0]
    finally:
        shutil.rmtree(cache.parent)


def test_features_get_unit_variance_and_the_logits_stay() -> None:
    X, y = two_tone_series(40, seed=0)
    fcn = train_fcn(X, y, 2, seed=0, training=FCNTraining(max_steps=3))
    assert extract(fcn, X).features.var(axis=0).mean() == pytest.approx(1, rel=1e-3)
    with torch.no_grad():
        expected = fcn(torch.from_numpy(X))
        fcn_module._to_unit_variance(fcn, 100 * extract(fcn, X).features)
        torch.testing.assert_close(fcn(torch.from_numpy(X)), expected, rtol=1e-4, atol=1e-4)
    assert extract(fcn, X).features.var(axis=0).mean() == pytest.approx(1e-4, rel=1e-3)


def test_one_series_or_constant_series_do_no_harm() -> None:
    few = FCNTraining(max_steps=2)
    for X, y in ((np.ones((1, 1, 20), np.float32), [0]), (np.zeros((6, 1, 20), np.float32), [0, 1] * 3)):
        made = extract(train_fcn(X, np.array(y), 2, seed=0, training=few), X)
        assert np.isfinite(made.features).all()
        assert np.isfinite(made.probabilities).all()


def test_a_training_without_settings_learns(whole_fcns: None) -> None:
    """As users train it; other tests stop after a few steps."""
    steps, y = np.arange(16), np.array([0, 1] * 6)
    rng = np.random.default_rng(0)

    def waves() -> np.ndarray:
        phases = rng.random((12, 1, 1))
        return np.sin(2 * np.pi * (steps / np.where(y, 4, 12)[:, None, None] + phases)).astype(np.float32)

    assert FCNTraining().n_steps(12, 16) == 600
    fcn = train_fcn(waves(), y, 2, seed=0)
    assert (extract(fcn, waves()).probabilities.argmax(1) == y).all()
