"""Scaling: one mean and standard deviation per channel, invertible, fitted on train alone."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ncvqvae.data import GlobalScaler
from ncvqvae.errors import InputError

VALUES = st.floats(-1e6, 1e6, width=32, allow_nan=False)
SERIES = arrays(np.float32, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=VALUES)


@given(SERIES)
def test_inverse_transform_undoes_transform_to_float32_precision(X: np.ndarray) -> None:
    scaler = GlobalScaler().fit(X)
    restored = scaler.inverse_transform(scaler.transform(X))
    # two roundings: of z (relative to the distance from the mean) and of x itself
    tolerance = np.finfo(np.float32).eps * (np.abs(X) + np.abs(X - scaler.mean_[:, None])) + 1e-30
    assert restored.dtype == np.float32
    assert (np.abs(restored - X) <= tolerance).all()


@given(SERIES)
def test_state_survives_json_bit_for_bit(X: np.ndarray) -> None:
    scaler = GlobalScaler().fit(X)
    again = GlobalScaler.from_state(json.loads(json.dumps(scaler.get_state())))
    np.testing.assert_array_equal(again.mean_, scaler.mean_)
    np.testing.assert_array_equal(again.transform(X), scaler.transform(X))


def test_scaled_channels_have_mean_0_and_standard_deviation_1() -> None:
    offset, spread = np.array([5.0, -300.0, 0.01]), np.array([2.0, 0.5, 1e4])
    X = np.random.default_rng(0).normal(offset[:, None], spread[:, None], size=(40, 3, 50)).astype(np.float32)
    Z = GlobalScaler().fit_transform(X).astype(np.float64)
    np.testing.assert_allclose(Z.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(Z.std(axis=(0, 2)), 1, rtol=1e-5)


def test_one_channel_is_scaled_by_the_figures_of_the_whole_array() -> None:
    X = np.array([[[1.0, 2.0]], [[3.0, 6.0]]], dtype=np.float32)
    scaler = GlobalScaler().fit(X)
    assert scaler.mean_ == [3.0]
    np.testing.assert_allclose(scaler.scale_, [np.sqrt(14 / 4)])  # ddof 0: (4 + 1 + 0 + 9) / 4


def test_statistics_do_not_depend_on_how_many_cases_fit_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(1).normal(1e3, 1, size=(31, 2, 7)).astype(np.float32)
    whole = GlobalScaler().fit(X)
    monkeypatch.setattr("ncvqvae.data.mapped.CHUNK_VALUES", 30)
    chunked = GlobalScaler().fit(X)
    np.testing.assert_allclose(chunked.mean_, whole.mean_, rtol=1e-12)
    np.testing.assert_allclose(chunked.scale_, whole.scale_, rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7e7])
def test_a_constant_channel_is_centred_and_left_unscaled(constant: float) -> None:
    X = np.random.default_rng(2).normal(size=(5, 2, 9)).astype(np.float32)
    X[:, 1] = constant
    scaler = GlobalScaler().fit(X)
    assert scaler.scale_[1] == 1
    np.testing.assert_allclose(scaler.transform(X)[:, 1], 0, atol=1e-6)
    np.testing.assert_array_equal(scaler.inverse_transform(scaler.transform(X))[:, 1], X[:, 1])


def test_other_numbers_of_channels_and_unfitted_scalers_are_refused() -> None:
    X = np.zeros((2, 3, 4), dtype=np.float32)
    with pytest.raises(InputError, match="not fitted yet; call fit"):
        GlobalScaler().transform(X)
    with pytest.raises(InputError, match=r"shape \(2, 1, 4\) for a scaler of 3 channels"):
        GlobalScaler().fit(X).transform(X[:, :1])


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"mean": [0.0]},
        {"mean": [0.0], "scale": [0.0]},
        {"mean": ["a"], "scale": [1.0]},
        {"mean": [0], "scale": [1, 1]},
    ],
)
def test_a_damaged_state_is_refused(state: dict) -> None:
    with pytest.raises(InputError, match=r"use what GlobalScaler\.get_state gave"):
        GlobalScaler.from_state(state)


def standardised(ddof: int, n: int = 6, length: int = 65) -> np.ndarray:
    X = np.random.default_rng(ddof).normal(3.0, 2.0, size=(n, 2, length))
    return (X - X.mean(2, keepdims=True)) / X.std(2, ddof=ddof, keepdims=True)


@pytest.mark.parametrize("ddof", [0, 1])
def test_standardised_cases_stay_standardised(ddof: int) -> None:
    X = standardised(ddof)
    scaler = GlobalScaler(keep_standardised=True).fit(X)
    assert scaler.case_ddof_ == ddof
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, atol=1e-5)
    flat = scaler.inverse_transform(0.7 * scaler.transform(X) + 0.3)
    np.testing.assert_allclose(flat, X, atol=1e-5)
    again = GlobalScaler.from_state(scaler.get_state())
    np.testing.assert_array_equal(again.inverse_transform(X), scaler.inverse_transform(X))


def test_other_data_is_scaled_back_as_it_is() -> None:
    X = standardised(1)
    X[2] *= 1.1
    for scaler, data in ((GlobalScaler(keep_standardised=True), X), (GlobalScaler(), standardised(1))):
        scaler.fit(data)
        assert scaler.case_ddof_ is None
        np.testing.assert_allclose(
            scaler.inverse_transform(0.7 * scaler.transform(data)).std(), 0.7 * data.std(), rtol=0.02
        )


def test_constant_cases_neither_hide_the_rule_nor_break_it() -> None:
    X = standardised(1)
    X[0] = 0.0
    scaler = GlobalScaler(keep_standardised=True).fit(X)
    assert scaler.case_ddof_ == 1
    assert (scaler.inverse_transform(scaler.transform(X))[0] == 0).all()
    assert GlobalScaler(keep_standardised=True).fit(np.zeros((3, 1, 20))).case_ddof_ is None


@pytest.mark.parametrize("constant", [1e-5, 0.1, 1e8 + 1])
def test_a_constant_channel_comes_back_as_the_constant(constant: float) -> None:
    X = np.random.default_rng(0).normal(size=(4, 2, 8))
    X[:, 1] = constant
    scaler = GlobalScaler.from_state(GlobalScaler().fit(X).get_state())
    noise = np.random.default_rng(1).normal(size=(3, 2, 8)).astype(np.float32)  # what a decoder makes of it
    np.testing.assert_allclose(scaler.inverse_transform(noise)[:, 1], constant, rtol=1e-7)


@pytest.mark.parametrize("offset", [101325.0, 1e8])
def test_what_differs_beside_a_large_offset_survives_scaling(offset: float) -> None:
    X = offset + 0.01 * np.arange(64.0).reshape(2, 1, 32)
    scaler = GlobalScaler().fit(X)
    scaled = scaler.transform(X)
    assert len(np.unique(scaled)) == 64 and scaled.dtype == np.float32
    np.testing.assert_allclose(scaler.inverse_transform(scaled), X, rtol=0, atol=1e-4)


def test_states_from_before_constants_were_kept_have_none() -> None:
    state = GlobalScaler().fit(np.ones((2, 1, 4)) * np.arange(4)).get_state()
    del state["constant"]
    assert GlobalScaler.from_state(state).constant_.tolist() == [False]
