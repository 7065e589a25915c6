"""The estimator among scikit-learn's: its own checks, clones, pipelines, searches."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from matplotlib.figure import Figure
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from tests.waves import two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import EmbeddingKind

# The checks' tables are a few columns wide: a window of 2 takes them as series of 2 time steps and more.
SETTINGS = {
    "tokenizer.n_fft": 2,
    "tokenizer.hop_length": 1,
    "tokenizer.hidden_channels": 4,
    "tokenizer.n_residual_blocks": 1,
    "tokenizer.codebook_size": 4,
    "stage1.max_steps": 1,
    "stage1.projector_width": 8,
    "stage1.precision": "32-true",
    "prior.width": 8,
    "prior.n_heads": 1,
    "prior.head_width": 4,
    "prior.n_layers": 1,
    "stage2.max_steps": 1,
    "stage2.precision": "32-true",
}

OWN_WORDS = "refused in the words of this package, see test_bad_input_is_refused"
NOT_APPLICABLE = {
    "check_n_features_in_after_fitting": OWN_WORDS,
    "check_complex_data": OWN_WORDS,
    "check_estimators_empty_data_messages": OWN_WORDS,
    "check_estimators_nan_inf": OWN_WORDS,
    "check_estimator_sparse_tag": OWN_WORDS,
    "check_estimator_sparse_array": OWN_WORDS,
    "check_estimator_sparse_matrix": OWN_WORDS,
    "check_fit2d_1sample": OWN_WORDS,
    "check_fit2d_1feature": OWN_WORDS,
    "check_fit2d_predict1d": OWN_WORDS,
    "check_dtype_object": "series are numbers: an array of objects is refused even where each of them is a number",
    "check_transformer_preserve_dtypes": "embeddings are float32, whatever the series are",
    "check_transformer_data_not_an_array": "X is asked for its number of axes before it is made an array",
    "check_array_api_input": "series go through NumPy",
}


def name(check: Any) -> str:
    return check.func.__name__


@pytest.mark.parametrize(
    "check",
    [check for _, check in estimator_checks_generator(NCVQVAE(), mark=None) if name(check) not in NOT_APPLICABLE],
    ids=name,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_check(check: Callable[[NCVQVAE], None]) -> None:
    check(NCVQVAE(settings=SETTINGS))


@pytest.fixture(scope="module")
def fitted() -> NCVQVAE:
    return NCVQVAE(settings=SETTINGS).fit(np.random.default_rng(0).normal(size=(10, 6)))


@pytest.mark.parametrize(
    "X",
    [
        np.ones((10, 5)),
        np.ones((10, 6), complex),
        np.ones((10, 0)),
        np.ones((0, 6)),
        np.full((10, 6), np.nan),
        np.full((10, 6), np.inf),
        scipy.sparse.csr_matrix(np.eye(6)),
        scipy.sparse.csr_array(np.eye(6)),
        np.ones(6),
        np.ones((10, 6), object),
    ],
    ids=lambda X: f"{type(X).__name__} {X.dtype} {X.shape} {X.flat[0] if X.size and hasattr(X, 'flat') else ''}",
)
def test_bad_input_is_refused(fitted: NCVQVAE, X: Any) -> None:
    with pytest.raises(InputError):
        fitted.transform(X)
    if np.shape(X) != (10, 5):
        with pytest.raises(InputError):
            clone(fitted).fit(X)


@pytest.mark.parametrize("shape", [(1, 6), (10, 1)])
def test_too_little_to_fit_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError):
        NCVQVAE(settings=SETTINGS).fit(np.ones(shape))


# ---------------------------------------------------------------- whether it is fitted


UNFITTED_USES: dict[str, Callable[[NCVQVAE], Any]] = {
    "sample": lambda model: model.sample(2),
    "transform": lambda model: model.transform(X_OTHER),
    "names": lambda model: model.get_feature_names_out(),
    "impute": lambda model: model.impute(X_OTHER),
    "decoding steps": lambda model: model.decoding_steps(2),
    "plot": lambda model: model.plot("losses"),
    "evaluate": lambda model: model.evaluate(X_OTHER),
}
X_OTHER = np.random.default_rng(1).normal(size=(12, 8))


def break_fit(model: NCVQVAE, moment: str) -> None:
    """A fit on other series that ends at the moment that is named."""
    if moment == "refused":
        with pytest.raises(InputError):
            model.fit(np.ones((5, 1, 8)))
        return
    if moment == "prepared":
        model.prepare(X_OTHER)
        return

    def report(stage: str, *_: Any) -> None:
        if stage == moment:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        model.fit(X_OTHER, report=report)


@pytest.mark.parametrize("use", UNFITTED_USES)
@pytest.mark.parametrize("moment", ["refused", "prepared", "stage2"])
def test_after_a_fit_that_failed_the_model_is_not_fitted(moment: str, use: str) -> None:
    model = NCVQVAE(settings=SETTINGS)
    break_fit(model, moment)
    with pytest.raises(NotFittedError):
        UNFITTED_USES[use](model)
    assert "fitted" not in repr(model)


@pytest.mark.parametrize("moment", ["prepared", "stage1", "stage2"])
def test_a_refit_that_ended_early_leaves_no_networks_of_the_fit_before(fitted: NCVQVAE, moment: str) -> None:
    model = copy.deepcopy(fitted)
    break_fit(model, moment)
    with pytest.raises(NotFittedError):
        model.sample(2)
    assert pickle.loads(pickle.dumps(model)).fit(X_OTHER).sample(2).X.shape == (2, 8)


def test_a_refit_whose_series_are_refused_leaves_the_model_as_it_was(fitted: NCVQVAE) -> None:
    model = copy.deepcopy(fitted)
    break_fit(model, "refused")
    np.testing.assert_array_equal(model.sample(3).X, fitted.sample(3).X)
    assert model.n_timepoints_ == 6 and "10 series of 1 x 6" in repr(model)


# ---------------------------------------------------------------- together with others


WAVES = SETTINGS | {
    "tokenizer.n_fft": 8,
    "tokenizer.hop_length": 2,
    "tokenizer.hidden_channels": 8,
    "tokenizer.codebook_size": 8,
    "tokenizer.kmeans_init": True,
    "stage1.max_steps": 10,
}


@pytest.mark.parametrize("channel_axis", [False, True])
def test_pipeline_with_a_classifier_tells_classes_apart(channel_axis: bool) -> None:
    X, y = two_classes()
    X = X[:, None] if channel_axis else X
    pipeline = make_pipeline(NCVQVAE(settings=WAVES), StandardScaler(), LogisticRegression())
    pipeline.fit(X[:30], y[:30])
    assert pipeline.score(X[30:], y[30:]) > 0.9


KINDS: list[EmbeddingKind | None] = [None, "encoder", "tokens"]


@pytest.mark.parametrize("default", ["encoder", "tokens"])
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_tables_of_embeddings_have_the_names_of_their_own_kind(
    fitted: NCVQVAE, container: str, default: EmbeddingKind
) -> None:
    pytest.importorskip(container)
    X, model = np.random.default_rng(2).normal(size=(4, 6)), copy.deepcopy(fitted)
    model.config_.embedding.kind = default
    arrays = {kind: model.transform(X, embedding=kind) for kind in KINDS}
    assert arrays["encoder"].shape[1] != arrays["tokens"].shape[1]
    model.set_output(transform=container)
    for kind, array in arrays.items():
        table: Any = model.transform(X, embedding=kind)
        assert list(table.columns) == [f"z_{i}" for i in range(array.shape[1])]
        np.testing.assert_array_equal(np.asarray(table), array)
    named: Any = model.transform(X)
    assert model.config_.embedding.kind == default and list(named.columns) == list(model.get_feature_names_out())


def test_evaluation_and_plots_work_where_tables_are_asked_for() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=WAVES | {"sampling.n_steps": 2}).fit(X, y)
    usual = model.evaluate(X[:12], y[:12], rivals=False)
    model.set_output(transform="pandas")
    assert model.evaluate(X[:12], y[:12], rivals=False) == usual
    model.plot("embeddings", X, y, ax=Figure().subplots())


def test_fit_and_evaluation_work_where_all_of_scikit_learn_gives_tables() -> None:
    X, y = two_classes()
    settings = WAVES | {"sampling.n_steps": 2, "stage2.time_warp": "auto"}
    with config_context(transform_output="pandas"):
        model = NCVQVAE(settings=settings).fit(X, y)
        assert model.evaluate(X[:12], y[:12], rivals=False)["n_heldout"] == 12


def test_grid_search_clones_and_sets_parameters() -> None:
    X, y = two_classes()
    pipeline = make_pipeline(NCVQVAE(settings=WAVES), LogisticRegression())
    search = GridSearchCV(pipeline, {"ncvqvae__ssl": ["none", "vibcreg"]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.7
    best = search.best_estimator_.named_steps["ncvqvae"]
    assert best.config_.ssl == search.best_params_["ncvqvae__ssl"] and best.settings == WAVES


def test_clone_has_the_parameters_and_nothing_fitted(fitted: NCVQVAE) -> None:
    cloned = clone(fitted)
    assert cloned.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        cloned.sample(1)


def test_parameters_are_read_when_fit_is_called() -> None:
    X, _ = two_classes()
    model = NCVQVAE(settings=WAVES).set_params(ssl="none", seed=3, settings=WAVES | {"stage1.max_steps": 1})
    assert model.get_params() == {
        "preset": "default",
        "ssl": "none",
        "augmentation": None,
        "seed": 3,
        "settings": WAVES | {"stage1.max_steps": 1},
        "config_file": None,
    }
    model.fit(X)
    assert (model.config_.ssl, model.config_.seed, model.config_.stage1.max_steps) == ("none", 3, 1)
    model.set_params(settings=WAVES | {"stage1.max_steps": 2}).fit(X)
    assert model.config_.stage1.max_steps == 2
    assert [row["step"] for row in model.history_ if row["stage"] == "stage1"] == [1, 2]
