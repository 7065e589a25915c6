"""All that a model does, with several token grids: coarser ones above the finest, two bands, and wavelets."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.analysis import attention_maps, decode_latents, latents
from ncvqvae.commands.export import export_onnx
from ncvqvae.config import load_config

BANDS = {"tokenizer.bands": 2, "tokenizer.high_latent_width": 16}
KINDS: dict[str, dict[str, Any]] = {
    "coarser": {"tokenizer.coarser_grids": 1, "prior.relative_position_bias": True},
    "bands": BANDS | {"stage1.high_augmentation": "slice", "tokenizer.refinement_channels": 4},
    "coarser bands": BANDS | {"tokenizer.coarser_grids": 1, "tokenizer.low_rows": 2, "stage1.augmented_weight": 0.1},
    "wavelets": {"tokenizer.transform": "wavelet"},
    "bands with a bias": BANDS | {"prior.relative_position_bias": True, "prior.linear_rank": 8, "prior.linear_span": 2},
    "bands of wavelets": BANDS | {"tokenizer.transform": "wavelet", "tokenizer.wavelet": "db2", "ssl": "barlowtwins"},
}


@pytest.fixture(scope="module", params=["gaps", "unequal", "plain"])
def data(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Two channels of series with gaps, series that end early, or neither."""
    X, y = two_classes(48)
    X = np.stack([5 * X + 100, X.cumsum(1)], axis=1).astype(np.float32)
    if request.param == "gaps":
        X[::3, :, 10:25] = np.nan
    if request.param == "unequal":
        X[::3, :, 33:] = np.nan
    return X, y


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, data: tuple[np.ndarray, np.ndarray]) -> NCVQVAE:
    own = {"sampling.kept_share": 0.3, "sampling.residual_neighbours": 3}
    return NCVQVAE(settings=SMALL | own | KINDS[request.param]).fit(*data)


def test_all_that_a_model_does_works_with_several_grids(
    model: NCVQVAE, data: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    (X, y), n = data, model.tokenizer_.n_tokens
    model.save_pretrained(tmp_path / "saved")
    again = NCVQVAE.from_pretrained(tmp_path / "saved")
    for network in (model, again):
        samples = network.sample(6, seed=1)
        np.testing.assert_array_equal(samples.X, model.sample(6, seed=1).X)
    tokens = model.encode(X)
    assert tokens.shape == (40, n) and again.decode(tokens).shape == X.shape
    n_bands = len(model.tokenizer_.bands)
    assert model.embed(tokens).shape == (40, 8 * n_bands) and np.isfinite(model.transform(X)).all()
    gaps = X[:5].copy()
    gaps[:, :, 4:20] = np.nan
    draws = model.impute(gaps, y[:5], n_draws=2)
    given = ~np.isnan(gaps)
    for draw in draws:
        np.testing.assert_array_equal(np.asarray(draw)[given], gaps[given])
    assert len(model.vary(X[:3], share=0.5, n=2).X) == 6
    assert np.isfinite(model.score_samples(X[:5])).all()
    assert model.reconstruction_loss(X) > 0 and model.prior_loss(X, y) > 0


@pytest.mark.parametrize("kind", ["coarser", "bands of wavelets", "bands with a bias"])
def test_each_grid_of_the_prior_is_a_file_of_its_own(kind: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    X, y = two_classes(48)
    X = X.astype(np.float32)[:, None]
    model = NCVQVAE(settings=SMALL | KINDS[kind]).fit(X, y)
    names = [path.name for path in export_onnx(model, tmp_path)]
    priors = [f"prior_{level}.onnx" for level, _ in enumerate(model.prior_.ends, start=1)]
    assert names == ["encoder.onnx", "decoder.onnx", *priors, "embedding.onnx"]
    encode, decode, *steps, _ = (onnxruntime.InferenceSession(tmp_path / name) for name in names)
    tokens = model.encode(X[:5])
    assert np.array_equal(encode.run(None, {"series": X[:5]})[0], tokens)
    np.testing.assert_allclose(decode.run(None, {"tokens": tokens})[0], model.decode(tokens), rtol=1e-4, atol=1e-3)
    for step, end in zip(steps, model.prior_.ends, strict=True):
        with torch.no_grad():
            expected = model.prior_(torch.from_numpy(tokens[:, :end]), torch.zeros(5, dtype=torch.int64)).numpy()
        given = {"tokens": tokens[:, :end], "classes": np.zeros(5, np.int64)}
        np.testing.assert_allclose(step.run(None, given)[0], expected, rtol=1e-4, atol=1e-5)


def test_directions_and_attention_know_the_grids(model: NCVQVAE, data: tuple[np.ndarray, np.ndarray]) -> None:
    X = np.nan_to_num(data[0][:6], nan=1.0)
    Z = latents(model, X)
    back = decode_latents(model, Z)
    assert back.shape == X.shape and np.isfinite(back).all()
    for level, (rows, columns) in enumerate(model.tokenizer_.grids):
        maps = attention_maps(model, "slow", n=4, n_steps=2, level=level)
        assert maps.grid == (rows, columns) and maps.over_time().shape == (2, 1, 2, columns)


def test_a_stopped_training_of_two_bands_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    X, y = two_classes(48)
    settings = SMALL | KINDS["bands"] | {"stage2.max_steps": 4}

    class Stop(Exception):
        pass

    def stop(stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        if stage == "stage2" and step == 2:
            raise Stop

    whole = NCVQVAE(settings=settings).fit(X, y)
    with pytest.raises(Stop):
        NCVQVAE(settings=settings).fit(X, y, report=stop, checkpoints=tmp_path)
    resumed = NCVQVAE(settings=settings).fit(X, y, checkpoints=tmp_path)
    np.testing.assert_array_equal(whole.sample(5, seed=3).X, resumed.sample(5, seed=3).X)


def test_names_of_embeddings_are_as_many_as_the_bands_give() -> None:
    X, y = two_classes(48)
    model = NCVQVAE(settings=SMALL | BANDS | {"embedding.kind": "tokens"}).fit(X, y)
    assert len(model.get_feature_names_out()) == model.transform(X).shape[1] == 16


def test_tokens_of_several_lengths_are_refused() -> None:
    model = NCVQVAE(settings=SMALL | BANDS).fit(*two_classes())
    for read in (model.decode, model.embed):
        with pytest.raises(InputError, match="several lengths"):
            read([[1, 2], [3]])


def test_without_views_the_high_band_has_no_augmentation_of_its_own() -> None:
    config = load_config(settings={"tokenizer.bands": 2, "stage1.high_augmentation": "slice", "ssl": "none"})
    assert (config.augmentation, config.stage1.high_augmentation) == ("none", "same")


def test_the_low_band_is_drawn_first_and_the_high_one_reads_it() -> None:
    X, y = two_classes(48)
    model = NCVQVAE(settings=SMALL | KINDS["bands"] | {"tokenizer.latent_width": 4}).fit(X, y)
    tokenizer, prior = model.tokenizer_, model.prior_
    assert tokenizer.grids == [(1, 6), (4, 12)] and len(tokenizer.codebook) == 16 and prior.ends == [6, 54]
    low, high = tokenizer.each_band()
    assert low.encoder is not high.encoder and low.quantizer is not high.quantizer
    tokens = torch.from_numpy(model.encode(X[:1]))
    other = tokens.clone()
    other[:, :6] = (other[:, :6] + 1) % 8
    classes = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        given = [prior(part.masked_fill(torch.arange(54) >= 6, prior.mask_token), classes) for part in (tokens, other)]
    assert not torch.allclose(*given)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"tokenizer.bands": 3}, "'tokenizer.bands' is 3"),
        ({"tokenizer.bands": 2, "tokenizer.low_rows": 5}, "'tokenizer.low_rows' is 5, and the transform has 5 rows"),
        (
            {"tokenizer.transform": "wavelet", "tokenizer.wavelet": "morl"},
            "'tokenizer.wavelet' is 'morl'; give an or",
        ),
        ({"tokenizer.transform": "wavelet", "tokenizer.wavelet": "bior2.2"}, "'tokenizer.wavelet' is 'bior2.2'"),
        ({"stage1.high_augmentation": "warp"}, "'stage1.high_augmentation' is of the high one of 2 bands"),
        (BANDS | {"stage1.high_augmentation": "auto"}, "'stage1.high_augmentation' is 'auto', which is not chosen"),
        (BANDS | {"stage1.high_augmentation": "wrap"}, "did you mean 'warp'"),
    ],
)
def test_bands_and_transforms_that_there_are_not(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(problem)):
        NCVQVAE(settings=SMALL | settings).fit(*two_classes())
