"""What a model says of itself in Python: metrics, page, plots, table, progress, one short line."""

import copy
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError, Samples
from ncvqvae.cli import main
from ncvqvae.commands import score
from ncvqvae.commands.terminal import TrainingProgress

matplotlib.use("Agg")
X, Y = two_classes()
TRAIN, TEST = slice(0, 28), slice(28, 40)
QUICK = {"cas": False, "rivals": False}


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    return NCVQVAE(augmentation="none", settings=SMALL).fit(X[TRAIN], Y[TRAIN])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


# ---------------------------------------------------------------- metrics and page


def test_evaluate_and_report_give_what_the_command_line_writes(model: NCVQVAE, tmp_path: Path) -> None:
    found = model.evaluate(X[TEST], Y[TEST], **QUICK)
    model.save_pretrained(tmp_path / "run")
    for name, rows in (("data_TRAIN", TRAIN), ("data_TEST", TEST)):
        np.savez(tmp_path / f"{name}.npz", X=X[rows], y=Y[rows])
    data = ["--data", str(tmp_path / "data_TRAIN.npz")]
    main(["evaluate", str(tmp_path / "run"), *data, "--no-rivals"])
    written = json.loads((tmp_path / "run/metrics.json").read_text())
    del written["run"]
    assert found == written and found["n_heldout"] == 12
    page = tmp_path / "page.html"
    again = NCVQVAE.from_pretrained(tmp_path / "run", device="cpu")
    reported = again.report(page, X[TEST], Y[TEST], name="two waves", train=(X[TRAIN], Y[TRAIN]), **QUICK)
    assert reported == found and "two waves" in page.read_text()
    with pytest.raises(InputError, match=r"page.html exists; .* overwrite=True"):
        model.report(page, X[TEST], Y[TEST])


def test_evaluate_needs_the_train_split_of_the_fit(model: NCVQVAE, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = NCVQVAE.from_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"give train=\(X, y\) of the fit"):
        loaded.evaluate(X[TEST], Y[TEST])
    with pytest.raises(InputError, match="train is not what the model was fitted on"):
        loaded.evaluate(X[TEST], Y[TEST], train=(X[TEST], Y[TEST]))
    with pytest.raises(InputError, match="give series of that shape"):
        model.evaluate(X[TEST, :20], Y[TEST])
    with pytest.raises(InputError, match="labels 'odd' never occur in train"):
        model.evaluate(X[TEST], ["odd"] * 12)
    with pytest.raises(InputError, match="no labels"):
        model.evaluate(X[TEST])


def test_copies_and_pickles_hold_no_training_series(model: NCVQVAE) -> None:
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other._fitted_on is None
        np.testing.assert_array_equal(other.sample(3).X, model.sample(3).X)


# ---------------------------------------------------------------- plots


def test_every_plot_draws_on_the_axes_that_are_given(model: NCVQVAE) -> None:
    figure, before = Figure(), pyplot.get_fignums()
    for kind in ("generated", "reconstructions", "embeddings", "tokens", "losses"):
        ax = figure.add_subplot()
        given = () if kind == "losses" else (X[TEST], Y[TEST])
        assert model.plot(kind, *given, ax=ax) is ax  # type: ignore[arg-type]
        assert ax.get_xlabel() and (ax.lines or ax.collections or ax.patches), kind
    assert pyplot.get_fignums() == before
    ax = model.plot("generated", X[TEST], Y[TEST], label="slow", n=7)
    assert isinstance(ax, Axes) and ax.figure.number in pyplot.get_fignums()  # type: ignore[union-attr]
    pyplot.close("all")


def test_plots_show_the_models_own_numbers(model: NCVQVAE) -> None:
    ax = model.plot("reconstructions", X[TEST], case=2, ax=Figure().add_subplot())
    original, reconstruction = ax.lines
    np.testing.assert_allclose(original.get_ydata(), X[30], rtol=1e-6)
    np.testing.assert_allclose(reconstruction.get_ydata(), model.reconstruct(X[30:31])[0], rtol=1e-6)
    ax = model.plot("generated", X[TEST], Y[TEST], label="fast", n=5, seed=3, ax=Figure().add_subplot())
    made = model.sample(5, "fast", seed=3).X
    drawn = [np.asarray(line.get_ydata()) for line in ax.lines if len(np.asarray(line.get_ydata()))]
    assert all(any(np.allclose(each, line) for line in drawn) for each in made) and len(drawn) == 5 + 6
    tokens = model.encode(X[TEST])
    bars = model.plot("tokens", X[TEST], ax=Figure().add_subplot()).patches
    np.testing.assert_allclose(
        [bar.get_height() for bar in bars], np.bincount(tokens.ravel(), minlength=8) / tokens.size
    )
    losses = model.plot("losses", stage="stage2", ax=Figure().add_subplot()).lines
    assert len(losses[0].get_xdata()) == sum(row["stage"] == "stage2" for row in model.history_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generatd", X), "did you mean 'generated'"),
        (("generated",), "give X"),
        (("tokens", X[:, :20]), "give series of that shape"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments: tuple[object, ...], words: str, model: NCVQVAE) -> None:
    with pytest.raises(InputError, match=words):
        model.plot(*arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="case 40, channel 0: there are 40 series"):
        model.plot("reconstructions", X, case=40)
    with pytest.raises(InputError, match="unknown label 'odd'"):
        model.plot("generated", X, Y, label="odd")


# ---------------------------------------------------------------- tables in and out


def test_samples_come_back_in_the_columns_of_the_table() -> None:
    names = [f"h{step}" for step in range(32)]
    wide = pd.DataFrame(X, columns=names).assign(kind=Y)
    fitted = NCVQVAE(augmentation="none", settings=SMALL).fit(wide[names], wide["kind"])
    made = fitted.sample(6)
    table = made.to_frame()
    assert table.columns.tolist() == [*names, "kind"] and set(table["kind"]) <= {"slow", "fast"}
    assert table["kind"].tolist() == made.y.tolist()
    np.testing.assert_allclose(table[names].to_numpy(), made.X.reshape(6, 32), rtol=1e-6)
    assert table["h0"].dtype == wide["h0"].dtype
    free = fitted.sample(2, unconditional=True).to_frame()
    assert free.columns.tolist() == names


def test_long_tables_come_back_with_ids_and_times() -> None:
    rows = [(f"m{case}", step * 10, value) for case, x in enumerate(X) for step, value in enumerate(x)]
    long = pd.DataFrame(rows, columns=["unit", "ms", "volt"]).set_index(["unit", "ms"])
    fitted = NCVQVAE(augmentation="none", settings=SMALL).fit(long)
    table = fitted.sample(3).to_frame()
    assert table.columns.tolist() == ["unit", "ms", "volt"] and len(table) == 3 * 32
    assert table["unit"].nunique() == 3 and table["unit"].map(type).eq(str).all()
    assert table["ms"].tolist()[:3] == [0, 10, 20]


def several_channels(kind: str) -> Any:
    """The same series as two channels of a table."""
    both = np.stack([X, -X], axis=1)
    if kind == "long":
        case, step = np.indices(X.shape).reshape(2, -1)
        return pd.DataFrame({"id": case, "t": step, "a": X.ravel(), "b": -X.ravel()}).set_index(["id", "t"])
    names = [f"{channel}_t{step}" for channel in "ab" for step in range(32)]
    wide = pd.DataFrame(both.reshape(len(X), -1), columns=names)
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame({name: wide[name].to_numpy() for name in names})
    return pa.Table.from_pandas(wide) if kind == "arrow" else wide


@pytest.mark.parametrize("kind", ["wide", "long", "polars", "arrow"])
def test_all_channels_of_a_table_come_back(kind: str, tmp_path: Path) -> None:
    table = several_channels(kind)
    fitted = NCVQVAE(augmentation="none", settings=SMALL).fit(table, Y)
    assert fitted.sample(4).X.shape == (4, 2, 32)
    assert len(fitted.sample(4).to_frame()) == (128 if kind == "long" else 4)
    assert fitted.reconstruct(table).shape == (40, 2, 32)
    assert fitted.impute(table, n_draws=2).values.shape == (2, 40, 2, 32)
    fitted.save_pretrained(tmp_path / "run")
    assert NCVQVAE.from_pretrained(tmp_path / "run").sample(2).X.shape == (2, 2, 32)


def test_samples_of_arrays_have_plain_columns_and_are_still_pairs(model: NCVQVAE) -> None:
    made = model.sample(4)
    series, labels = made
    table = made.to_frame()
    assert table.columns.tolist() == ["label", *(f"t{step}" for step in range(32))]
    assert table["label"].tolist() == labels.tolist() and series.shape == (4, 32)  # type: ignore[union-attr]
    assert Samples(np.zeros((2, 3, 5)), np.array([1, 2])).to_frame().shape == (2, 16)


def test_an_unclear_table_names_the_options_that_mend_it() -> None:
    wide = pd.DataFrame(X)
    with pytest.raises(InputError, match=r"'label' holds labels; .* load_dataset\(table, label_column='label'\)"):
        NCVQVAE().fit(wide.assign(label=Y))
    with pytest.raises(InputError, match=r"column 'kind' among the time steps.* load_dataset\(table, label_column=…\)"):
        NCVQVAE().fit(wide.assign(kind=Y))
    two = wide.assign(label=Y, target=Y)
    with pytest.raises(InputError, match=r"more than one column may be the label.*load_dataset\(table, label_column="):
        NCVQVAE().fit(two)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("verbose", [True, False, None])
def test_a_script_hears_of_estimate_and_progress_if_it_asks(
    verbose: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    NCVQVAE(settings=SMALL).fit(X, Y, verbose=verbose)
    said = capsys.readouterr().err
    for words in ("expected training time: about", "settled by the data:", "stage 1: tokenizer", "100%"):
        assert (words in said) == bool(verbose), words


def test_losses_stand_below_the_bars_while_a_stage_is_running() -> None:
    progress = TrainingProgress()
    progress("stage2", 1, 2, {"loss": 1.5, "prior": 1.5})
    assert str(list(progress.get_renderables())[-1]) == "losses: prior 1.500"
    progress("stage2", 2, 2, {"loss": 1.25, "prior": 1.25})
    assert len(list(progress.get_renderables())) == 1


def test_repr_is_one_short_line(model: NCVQVAE, tmp_path: Path) -> None:
    assert repr(NCVQVAE()) == "NCVQVAE(preset='default')"
    assert repr(NCVQVAE("quick", ssl="none", seed=3)) == "NCVQVAE(preset='quick', ssl='none', seed=3)"
    assert repr(model).endswith(" fitted on 28 series of 1 x 32") and "settings=…" in repr(model)
    model.save_pretrained(tmp_path)
    text = repr(NCVQVAE.from_pretrained(tmp_path))
    assert len(text) <= 100 and "\n" not in text
    assert len(repr(NCVQVAE("x" * 300))) == 100


def test_scores_ask_the_estimator_only_for_what_its_protocol_lists() -> None:
    from ncvqvae.generation.trained import TrainedModel

    assert all(hasattr(NCVQVAE, name) for name in vars(TrainedModel) if not name.startswith("_"))
    assert score.score_model.__annotations__["model"] == "TrainedModel"


# ---------------------------------------------------------------- longer series


def ending(lengths: range) -> list[np.ndarray]:
    """Series that end at these lengths, as a list of arrays."""
    rng = np.random.default_rng(0)
    return [np.sin(np.arange(n) / 3) + 0.1 * rng.normal(size=n) for n in lengths]


@pytest.fixture(scope="module")
def unequal() -> NCVQVAE:
    return NCVQVAE(augmentation="none", settings=SMALL).fit(ending(range(20, 33)))


def test_held_out_series_that_are_cut_are_counted_in_a_warning(unequal: NCVQVAE, tmp_path: Path) -> None:
    longer, said = ending(range(28, 37)), "4 series are longer than the longest of train and cut to 32 steps"
    with pytest.warns(UserWarning, match=said) as heard:
        found = unequal.evaluate(longer, **QUICK)
    assert heard[0].filename == __file__
    with pytest.warns(UserWarning, match=said):
        unequal.report(tmp_path / "page.html", longer, **QUICK)
    with pytest.warns(UserWarning, match=said) as heard:
        unequal.plot("embeddings", longer, ax=Figure().subplots())
    assert heard[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert unequal.evaluate([series[:32] for series in longer], **QUICK) == found
