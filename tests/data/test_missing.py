"""Unequal lengths and gaps: what was not observed moves no loss, no embedding and no figure."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ncvqvae import NCVQVAE, InputError
from ncvqvae.augmentations import augment_observed
from ncvqvae.commands.masked_scale import MaskedScale
from ncvqvae.commands.score import score_model
from ncvqvae.config import PriorConfig, Stage1Config, Stage2Config, TokenizerConfig
from ncvqvae.data import Splits, are_unequal, series_lengths
from ncvqvae.evaluation.fcn import FCN
from ncvqvae.evaluation.neighbours import nearest_distances
from ncvqvae.evaluation.sets import Extent
from ncvqvae.prior.objective import PriorObjective
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.tokenizer.ssl import pool
from ncvqvae.tokenizer.tokenizer import Tokenizer, observed_error, reconstruction_error
from ncvqvae.training.build import build_prior, build_tokenizer

TINY = {
    "tokenizer": {"hidden_channels": 8, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"batch_size": 8, "max_steps": 3, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 16, "head_width": 8, "n_layers": 1},
    "stage2": {"batch_size": 8, "max_steps": 3, "precision": "32-true"},
}
LENGTHS = {"short": 12, "middle": 20, "long": 33}


def ragged(n: int = 24, channels: int = 2) -> tuple[np.ndarray, list[str]]:
    X = np.random.default_rng(0).normal(50, 5, size=(n, channels, 33)).astype(np.float32)
    y = [list(LENGTHS)[i % 3] for i in range(n)]
    for series, label in zip(X, y, strict=True):
        series[:, LENGTHS[label] :] = np.nan
    return X, y


def tokenizer(channels: int = 2, length: int = 33) -> Tokenizer:
    torch.manual_seed(0)
    return build_tokenizer(TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=8), channels, length)


# ---------------------------------------------------------------- stage 1


def test_the_masked_loss_is_the_plain_one_where_all_was_observed() -> None:
    net, x = tokenizer(), torch.randn(4, 2, 33)
    decoded = net.reconstruct(net.latents(net.transform(x)))
    everything = torch.ones(4, 2, 33, dtype=torch.bool)
    plain = reconstruction_error(net.transform(x), x, decoded)
    torch.testing.assert_close(observed_error(net.transform, x, decoded, everything), plain)
    assert float(observed_error(net.transform, x, decoded, ~everything)) == 0.0  # and no division by zero


def test_values_that_were_not_observed_enter_no_target() -> None:
    net = tokenizer()
    x, decoded_from = torch.randn(4, 2, 33), torch.randn(4, 2, 33)
    observed = torch.rand(4, 2, 33) > 0.4
    (found,) = net.latents(net.transform(decoded_from))
    z = found.detach().requires_grad_()
    gradients = []
    for filled in (0.0, 7.0):
        error = observed_error(net.transform, torch.where(observed, x, filled), net.reconstruct([z]), observed)
        gradients.append(torch.autograd.grad(error, z)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().max() > 0


def test_columns_without_anything_observed_reach_neither_codebook_nor_loss() -> None:
    (net,) = tokenizer().train().each_band()
    present = torch.tensor([[True] * (net.grid[1] - 2) + [False] * 2]).repeat(4, 1)
    z = torch.randn(4, 8, *net.grid)
    other = z.clone()
    other[..., -2:] = 100.0
    start = {name: value.clone() for name, value in net.quantizer.state_dict().items()}
    results = []
    for latents in (z, other):
        net.quantizer.load_state_dict(start)
        results.append((net.quantize(latents, present), net.quantizer.codebook.clone()))
    torch.testing.assert_close(results[0][1], results[1][1])
    torch.testing.assert_close(results[0][0].commitment, results[1][0].commitment)
    codes = results[0][0].codes.view(4, *net.grid)
    assert (codes[..., -2:] == -1).all() and (results[0][0].latents[..., -2:] == 0).all()


@pytest.mark.parametrize("augmentation", ["none", "gauss", "warp", "slice"])
@pytest.mark.parametrize("ssl", ["none", "vibcreg", "barlowtwins"])
def test_every_loss_is_finite_with_gaps(ssl: str, augmentation: str) -> None:
    objective = TokenizerObjective(tokenizer(), Stage1Config(projector_width=16), ssl)
    x, observed = torch.randn(6, 2, 33), torch.rand(6, 2, 33) > 0.5
    observed[0, :, 5:] = False
    terms = objective(x, *_view(x, observed, augmentation))
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    assert total.isfinite() and all(p.grad.isfinite().all() for p in objective.parameters() if p.grad is not None)


@pytest.mark.parametrize("high", ["none", "warp", "slice"])
@pytest.mark.parametrize("ssl", ["vibcreg", "barlowtwins"])
def test_every_loss_is_finite_where_the_bands_see_nothing_at_the_same_time(ssl: str, high: str) -> None:
    torch.manual_seed(0)
    settings = TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=8, bands=2)
    objective = TokenizerObjective(build_tokenizer(settings, 2, 33), Stage1Config(projector_width=16), ssl)
    x, observed = torch.randn(6, 2, 33), torch.zeros(6, 2, 33, dtype=torch.bool)
    observed[:, :, :5] = True
    seen = torch.cat([observed.flip(2), augment_observed(x, observed, high)[1]], dim=1)
    terms = objective(x, torch.cat([x.flip(2), x], dim=1), observed, seen)
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    assert total.isfinite() and all(p.grad.isfinite().all() for p in objective.parameters() if p.grad is not None)


def test_a_view_of_which_nothing_was_observed_is_pooled_to_zero() -> None:
    present = torch.tensor([[False] * 4, [True] * 4])
    pooled = pool(torch.ones(2, 3, 2, 4) * present[:, None, None], present)
    assert (pooled[0] == 0).all() and (pooled[1] == 1).all()


def _view(x: torch.Tensor, observed: torch.Tensor, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    view, view_observed = augment_observed(x, observed, kind)
    return view, observed, view_observed


@pytest.mark.parametrize("kind", ["warp", "slice"])
def test_a_view_takes_its_gaps_along(kind: str) -> None:
    # unobserved values are 1000 times too large: none may pass for observed, nor leak into one that does
    x, observed = torch.rand(8, 1, 40), torch.rand(8, 1, 40) > 0.3
    view, view_observed = augment_observed(torch.where(observed, x, 1000.0), observed, kind)
    assert view[view_observed].abs().max() < 10
    if kind == "slice":
        torch.testing.assert_close(view[view_observed].sort().values, x[observed].sort().values)
    else:
        assert view_observed.float().mean() > 0.2


# ---------------------------------------------------------------- stage 2


def test_tokens_that_are_not_there_have_no_loss_and_stay_out_of_the_draw() -> None:
    torch.manual_seed(0)
    prior = build_prior(PriorConfig(width=16, head_width=8, n_layers=1), torch.randn(8, 4), [(1, 10)], 2, unequal=True)
    tokens = torch.randint(8, (4, 10))
    tokens[:, 6:8], tokens[:, 8:] = prior.mask_token, prior.absent_token
    loss = PriorObjective(prior, Stage2Config(loss_on="all"))(tokens, torch.zeros(4, dtype=torch.long))["prior"]
    loss.backward()
    assert loss.isfinite()
    assert (prior.output_bias.grad[6:] == 0).all() and (prior.output_bias.grad[:6] != 0).any()


# ---------------------------------------------------------------- the whole model


def test_lengths_follow_the_class_and_survive_the_files(tmp_path: Path) -> None:
    X, y = ragged()
    fitted = NCVQVAE(settings=TINY).fit(X, y)
    fitted.save_pretrained(tmp_path)
    loaded = NCVQVAE.from_pretrained(tmp_path)
    for model in (fitted, loaded):
        made = model.sample(30, seed=1)
        assert {(label, length) for label, length in zip(made.y, series_lengths(made.X), strict=True)} == set(
            LENGTHS.items()
        )
        assert not np.isnan(made.X[0, :, : series_lengths(made.X)[0]]).any()
        assert set(series_lengths(model.sample(30, unconditional=True).X)) <= set(LENGTHS.values())
        assert set(series_lengths(model.sample(9, length=17).X)) == {17}
    np.testing.assert_array_equal(fitted.sample(30).X, loaded.sample(30).X)
    np.testing.assert_array_equal(series_lengths(fitted.reconstruct(X)), series_lengths(X))
    with pytest.raises(InputError, match="from 1 to 33"):
        fitted.sample(2, length=34)


@pytest.mark.parametrize("form", ["channels first", "one channel, without its axis"])
def test_a_list_in_is_a_list_out(form: str, tmp_path: Path) -> None:
    X, y = ragged()
    given = [(x if form == "channels first" else x[0])[..., : LENGTHS[label]] for x, label in zip(X, y, strict=True)]
    shapes = dict(zip(y, map(np.shape, given), strict=True))
    fitted = NCVQVAE(settings=TINY).fit(given, y)
    fitted.save_pretrained(tmp_path)
    for model in (fitted, NCVQVAE.from_pretrained(tmp_path)):
        made = model.sample(20)
        assert isinstance(made.X, list) and len(made.X) == 20
        assert [series.shape for series in made.X] == [shapes[label] for label in made.y]
        assert all(np.isfinite(series).all() for series in made.X)


def test_a_list_of_series_is_the_same_as_padding() -> None:
    X, y = ragged()
    cut = [series[:, : LENGTHS[label]] for series, label in zip(X, y, strict=True)]
    padded, listed = NCVQVAE(settings=TINY).fit(X, y), NCVQVAE(settings=TINY).fit(cut, y)
    np.testing.assert_array_equal(padded.transform(X), listed.transform(cut))
    # shorter than any in training once padded by the caller: padded up to the model's length
    np.testing.assert_array_equal(padded.transform(X[:1, :, :12]), padded.transform(X[:1]))


def test_gaps_leave_lengths_alone_and_are_filled_by_reconstruction() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 1, 40)).astype(np.float32)
    X[rng.random(X.shape) < 0.4] = np.nan
    X[0, :, 10:32] = np.nan
    model = NCVQVAE(settings=TINY).fit(X, ["a", "b"] * 12)
    assert not are_unequal(X) and not np.isnan(model.sample(20).X).any()
    assert not np.isnan(model.reconstruct(X)).any() and np.isfinite(model.transform(X)).all()
    assert (model.encode(X)[0] == -1).any() and np.isfinite(model.prior_loss(X, ["a", "b"] * 12))
    with pytest.raises(InputError, match="all have length 40"):
        model.sample(2, length=20)


def test_a_mapped_array_trains_the_same_model_without_a_copy(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(24, 1, 40)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    in_memory, on_disk = NCVQVAE(settings=TINY).fit(X), NCVQVAE(settings=TINY).fit(mapped)
    np.testing.assert_array_equal(in_memory.sample(9).X, on_disk.sample(9).X)
    assert on_disk._codec.scaled(mapped).X.base is not None and isinstance(on_disk._codec.scaled(mapped).X, np.memmap)


def test_every_figure_is_finite_on_unequal_series_with_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path))
    X, y = ragged()
    X[::4, 0, 3:6] = np.nan
    labels = np.array(y)
    model = NCVQVAE(settings=TINY).fit([x[:, : LENGTHS[label]] for x, label in zip(X, y, strict=True)], labels)
    metrics = score_model(model, Splits("x", X, labels, X[:12], labels[:12], ""), extent=Extent(cas=True)).metrics
    assert {"val_recon", "knn", "fid", "is", "cas", "copied", "fid_labelled"} <= set(metrics)
    assert np.isfinite(list(metrics.values())).all()


def test_generated_series_are_judged_with_gaps_like_the_real_ones() -> None:
    X, y = ragged()
    X[:, 0, 4:8] = np.nan
    scale = MaskedScale(NCVQVAE(settings=TINY).fit(X, y).scaler_, X, seed=0)
    made = np.random.default_rng(1).normal(50, 5, size=(10, 2, 33)).astype(np.float32)
    straight = np.diff(scale.generated(made)[:, 0, 3:9], n=2)
    np.testing.assert_allclose(straight, 0, atol=1e-5)  # filled in linearly, as the real ones are
    assert np.abs(np.diff(scale(made)[:, 0, 3:9], n=2)).max() > 0.1
    np.testing.assert_array_equal(series_lengths(scale.generated(ragged()[0])), series_lengths(X))


# ---------------------------------------------------------------- figures


def test_features_do_not_see_what_is_behind_the_end() -> None:
    torch.manual_seed(0)
    fcn = FCN(1, 2).eval()
    x = torch.randn(3, 1, 20)
    padded = torch.cat([x, torch.full((3, 1, 9), torch.nan)], dim=-1)
    torch.testing.assert_close(fcn.features(padded), fcn.features(x))


def test_distances_are_over_what_both_series_have() -> None:
    a, b = np.array([[[0.0, 0, 0, np.nan]]]), np.array([[[2.0, 2, np.nan, 5]], [[9.0, 9, 9, 9]]])
    np.testing.assert_allclose(nearest_distances(a, b), [4.0])  # 2² · 2, scaled from 2 to 4 steps
