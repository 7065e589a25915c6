import json
import random
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.bench.folders import write_finished

from ncvqvae.bench.job import Run
from ncvqvae.bench.suites import Suite, load_suite
from ncvqvae.errors import InputError
from ncvqvae.study.ablation import PUBLISHED_SWITCHES, single_switches, ssl_share
from ncvqvae.study.markup import TableSpec, to_latex, to_markdown
from ncvqvae.study.ranks import average_ranks, complete_scores
from ncvqvae.study.rows import CHAPTER_MODELS, collect_rows, published_rows, timevqvae_means
from ncvqvae.study.tables import TABLES, table_cells, write_all

DATASETS = ["Mallat", "Symbols", "Homemade"]


def metrics(run: Run) -> dict[str, float]:
    rng = random.Random(run.key)
    names = ("val_recon", "knn", "svm", "fid", "is", "cas", "fid_labelled", "is_labelled", "copied", "copied_real")
    return {name: rng.random() for name in names} | {"fid_real": 0.5, "is_real": 0.9, "cas_real": 0.8 + run.seed / 10}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    paper = load_suite("paper").select(DATASETS, ["none", "barlowtwins-warp", "vibcreg-gauss"], seeds=2)
    write_finished(paper, folder, metrics)
    ablation = load_suite("ablation")
    names = ("none+nc-prior", "vibcreg-gauss+T-1", "vibcreg-gauss+T-2", "vibcreg-gauss+weight-0")
    kept = {name: ablation.models[name] for name in names}
    runs = Suite({"Mallat": {"data": "Mallat"}}, {**ablation.models, **kept}, [0, 1])
    write_finished(PartOf(runs, names), folder, metrics)
    return folder


class PartOf(Suite):
    """Some models of a suite, without those that they reuse."""

    def __init__(self, suite: Suite, names: tuple[str, ...]) -> None:
        super().__init__(suite.datasets, suite.models, suite.seeds)
        object.__setattr__(self, "names", names)

    def runs(self, out: object, **options: object) -> list[Run]:
        return [run for run in super().runs(str(out)) if run.model in self.names]  # type: ignore[attr-defined]


def spec(number: int) -> object:
    return next(table for table in TABLES if table.number == number)


def test_rows_carry_everything(bench: Path) -> None:
    rows = collect_rows(bench)
    assert len(rows) == 3 * 3 * 2 + 4 * 2
    first = rows[(rows["dataset"] == "Mallat") & (rows["model"] == "none")].iloc[0]
    assert (first["ssl"], first["augmentation"], first["seed"], first["preset"]) == ("none", "none", 0, "paper")
    assert (first["commit"], first["version"]) == ("abc1234", "0.1.0")
    assert pd.isna(first["settings"])  # those of the preset
    own = {row["model"]: row["settings"] for _, row in rows.iterrows()}
    assert json.loads(own["vibcreg-gauss+T-2"]) == {"sampling.n_steps": 2}
    assert set(json.loads(own["none+nc-prior"])) == PUBLISHED_SWITCHES - {"ssl"}


def test_published_figures_are_those_of_the_chapter() -> None:
    rows = published_rows()
    assert len(rows) == 364
    fid = rows[(rows["dataset"] == "Mallat") & (rows["model"] == "vibcreg-gauss")]["fid"]
    assert (round(fid.mean(), 2), round(fid.min(), 2)) == (1.65, 1.31)  # tables 6 and 5
    cas = rows[(rows["dataset"] == "FordA") & (rows["model"] == "none")]["cas"]
    assert round(cas.mean(), 3) == 0.864  # table 7
    assert timevqvae_means().loc["Symbols", "fid"] == 5.6


def test_cells_are_mean_and_sd_over_seeds_and_the_best_is_marked(bench: Path) -> None:
    rows = collect_rows(bench)
    cells = table_cells(spec(6), rows)  # type: ignore[arg-type]
    ours = cells[(cells["source"] == "ours") & (cells["dataset"] == "Symbols") & (cells["metric"] == "fid")]
    ours = ours.set_index("model")
    a, b = (float(v) for v in rows[(rows["dataset"] == "Symbols") & (rows["model"] == "none")]["fid"])
    assert ours.loc["none", "value"] == pytest.approx((a + b) / 2)
    assert ours.loc["none", "sd"] == pytest.approx(abs(a - b) / 2**0.5)
    assert ours.loc["none", "n_seeds"] == 2
    models = ours.drop("real data")
    assert list(models.index[models["best"].astype(bool)]) == [models["value"].astype(float).idxmin()]
    assert ours.loc["real data", "value"] == 0.5

    top = table_cells(spec(5), rows)  # type: ignore[arg-type]
    best_is = top[(top["source"] == "ours") & (top["dataset"] == "Symbols") & (top["metric"] == "is")]
    expected = rows[rows["dataset"] == "Symbols"].groupby("model")["is"].max()
    assert dict(zip(best_is["model"], best_is["value"], strict=True)) == pytest.approx(expected.to_dict())
    assert list(best_is.loc[best_is["best"].astype(bool), "model"]) == [expected.idxmax()]


def test_copies_among_real_series_are_a_figure_of_each_model() -> None:
    rows = pd.DataFrame({"dataset": "A", "model": ["none", "vibcreg-gauss"], "copied": 0.8, "copied_real": [0.05, 0.7]})
    cells = table_cells(spec(8), rows)  # type: ignore[arg-type]
    real = cells[cells["metric"] == "copied_real"].set_index("model")["value"]
    assert real.to_dict() == {"none": 0.05, "vibcreg-gauss": 0.7}
    assert not cells["best"].any() and "real data" not in set(cells["model"])


def test_columns_stand_in_the_chapters_order_whatever_ran_first(bench: Path) -> None:
    rows = collect_rows(bench)
    rows = pd.concat([rows[rows["model"].isin(["none", "vibcreg-gauss"])].assign(dataset="A"), rows])
    cells = table_cells(spec(8), rows.assign(fid_labelled=1.0))  # type: ignore[arg-type]
    heading = to_markdown(spec(8), cells).splitlines()[2]  # type: ignore[arg-type]
    models = [name for name in CHAPTER_MODELS if name in set(rows["model"])]
    assert len(models) == 3
    assert [name.strip() for name in heading.split("|")][4 : 4 + len(models)] == models


def test_all_files_are_written_with_the_published_figures_beside(bench: Path, tmp_path: Path) -> None:
    files = {path.name for path in write_all(bench, tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} == files
    for number in range(1, 8):
        assert {f"table-{number}.{kind}" for kind in ("md", "csv", "tex")} <= files
    for figure in (
        "01-reconstruction",
        "02-reconstruction-in-training",
        "06-ssl-loss",
        "08-fid-and-is",
        "11-knn-against-fid",
    ):
        assert {f"figure-{figure}.png", f"figure-{figure}.pdf"} <= files
    assert {"rows.csv", "ranks.csv", "ranks-fid.png", "switches.csv", "ssl-share.csv", "models.csv"} <= files
    assert "figure-20-augmented-weight-slice.png" not in files  # one weight only

    text = (tmp_path / "table-7.md").read_text()
    mallat = next(line for line in text.splitlines() if "Mallat" in line and "chapter" in line)
    assert "0.471" in mallat and "0.964" in mallat  # the chapter's naive model, TimeVQVAE
    assert not any("Homemade" in line and "chapter" in line for line in text.splitlines())
    assert "+T-1" not in text and "vibcreg-gauss+T-1" in (tmp_path / "tables.md").read_text()
    latex = (tmp_path / "table-7.tex").read_text()
    assert r"\mathbf" in latex and r"\pm" in latex and "_" not in latex.replace("\\_", "")
    widths = {line.count(" & ") for line in latex.splitlines() if " & " in line}
    assert len(widths) == 1


def test_effects_are_differences_paired_by_seed(bench: Path) -> None:
    rows = collect_rows(bench)
    effects = single_switches(rows)
    steps = effects[effects["switch"] == "sampling.n_steps"]
    # from the published value only: 1 against 2 is no line of its own
    assert sorted(zip(steps["from"], steps["to"], strict=True)) == [(10, 1), (10, 2)]
    fid = rows[rows["dataset"] == "Mallat"].pivot_table(index="seed", columns="model", values="fid")
    differences = fid["vibcreg-gauss+T-1"] - fid["vibcreg-gauss"]
    line = steps[steps["second"] == "vibcreg-gauss+T-1"].iloc[0]
    assert line["fid"] == f"{differences.mean():+.3f} ± {differences.std():.3f}"
    ssl = effects[(effects["switch"] == "ssl") & (effects["from"] == "none")]
    assert set(zip(ssl["first"], ssl["second"], strict=True)) == {
        ("none+nc-prior", "vibcreg-gauss"),
        ("none+nc-prior", "barlowtwins-warp"),
    }


def test_share_of_ssl_in_the_published_gain(bench: Path) -> None:
    rows = collect_rows(bench)
    table = ssl_share(rows)
    line = table[(table["metric"] == "fid") & (table["model"] == "vibcreg-gauss") & (table["dataset"] == "Mallat")]
    fid = rows[rows["dataset"] == "Mallat"].groupby("model")["fid"].mean()
    total, alone = fid["none"] - fid["vibcreg-gauss"], fid["none+nc-prior"] - fid["vibcreg-gauss"]
    assert line["naive"].tolist() == ["none"]
    assert line["gain"].item() == pytest.approx(total, abs=1e-3)
    assert line["SSL alone, with the model's prior"].item() == pytest.approx(alone, abs=1e-3)
    by_seed = rows[rows["dataset"] == "Mallat"].pivot_table(index="seed", columns="model", values="fid")
    certain = total > (by_seed["none"] - by_seed["vibcreg-gauss"]).std()
    assert line["share, with the model's prior"].item() == (f"{alone / total:.0%}" if certain else "")
    assert line["SSL alone, with the naive prior"].item() == ""  # that model did not run
    assert set(table["dataset"]) == {"Mallat"}  # elsewhere no pair differs in SSL alone


def test_share_of_ssl_is_said_only_of_a_gain_above_its_spread() -> None:
    ablation = load_suite("ablation")
    names = ("none", "none+nc-prior", "vibcreg-gauss")
    fid = {"none": (10.0, 12.0), "none+nc-prior": (7.0, 8.0), "vibcreg-gauss": (6.0, 7.0)}
    scattered = {"none": (10.0, 5.0), "none+nc-prior": (7.0, 8.0), "vibcreg-gauss": (6.0, 7.0)}

    def rows_of(values: dict[str, tuple[float, float]]) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"dataset": "A", "model": name, "seed": seed, "preset": "paper", "fid": values[name][seed]}
                | {
                    "ssl": ablation.models[name].config().ssl,
                    "augmentation": ablation.models[name].config().augmentation,
                }
                | {"settings": json.dumps(ablation.models[name].settings)}
                for name in names
                for seed in (0, 1)
            ]
        )

    clear, unclear = ssl_share(rows_of(fid)), ssl_share(rows_of(scattered))
    assert clear["gain"].tolist() == [4.5] and unclear["gain"].tolist() == [1.0]
    assert clear["share, with the model's prior"].tolist() == ["22%"]  # 1 of 4.5
    assert unclear["share, with the model's prior"].tolist() == [""]  # 4 and -2
    single = ssl_share(rows_of(fid).query("seed == 0"))
    assert single["gain"].tolist() == [4.0] and single["share, with the model's prior"].tolist() == [""]


def test_ranks_leave_out_what_did_not_run_everywhere() -> None:
    rows = pd.DataFrame(
        {"dataset": list("xxxyyy"), "model": list("abcabc"), "fid": [1.0, 2.0, 3.0, 2.0, 1.0, float("nan")]}
    )
    scores = complete_scores(rows, "fid")
    assert list(scores.columns) == ["a", "b"]
    assert average_ranks(scores, higher_is_better=False).to_dict() == {"a": 1.5, "b": 1.5}
    assert average_ranks(scores.assign(b=9.0), higher_is_better=True).to_dict() == {"b": 1.0, "a": 2.0}


@pytest.mark.parametrize("settings", ["prior.dropout: 0.1", "3", "[1]"])
def test_settings_that_are_none_are_said(settings: str) -> None:
    row = {"dataset": "A", "model": "a", "preset": "paper", "ssl": "none", "augmentation": "none", "settings": settings}
    with pytest.raises(InputError, match=r"A, a: settings .* no JSON object"):
        single_switches(pd.DataFrame([row]))


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluated run"):
        collect_rows(tmp_path)


def test_rows_on_disk_give_the_same_tables(bench: Path, tmp_path: Path) -> None:
    write_all(bench, tmp_path / "first")
    (tmp_path / "first" / "rows.csv").rename(tmp_path / "mine.csv")
    write_all(tmp_path / "mine.csv", tmp_path / "second")
    said = [(tmp_path / name / "tables.md").read_text() for name in ("first", "second")]
    assert "row of rows.csv" in said[0] and "row of mine.csv" in said[1]
    assert all(re.search(r"runs; seeds per cell: \d+( to \d+)?;", text) for text in said)
    for stem in ("switches", "ssl-share", "models", *(spec.stem for spec in TABLES)):
        name = f"{stem}.csv"
        assert (tmp_path / "second" / name).read_text() == (tmp_path / "first" / name).read_text()


def test_names_that_look_like_numbers_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("dataset,ssl,augmentation,seed,preset,commit\n007,none,none,0,paper,2564e87\n")
    row = collect_rows(path).iloc[0]
    assert (row["dataset"], row["commit"], row["model"]) == ("007", "2564e87", "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset,ssl\nMallat,none\n", "no column 'augmentation'"),
        ("dataset,ssl,augmentation,seed,preset\n", "no rows"),
        ('a,b\n"1,2\n3', "no CSV of rows"),
        (",".join(["dataset,ssl,augmentation,seed,preset,fid"] * 400) + "\n" + "1," * 2399 + "1\n", "has 2400 columns"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        collect_rows(path)


def test_names_cannot_be_commands_of_latex_or_markdown() -> None:
    bad = r"\input{/etc/x}$_&%#~^|<b>"
    cells = pd.DataFrame(
        [{"dataset": bad, "metric": "fid", "source": "ours", "model": bad, "n_seeds": 1, "value": 1.0, "sd": 0.1}]
    ).assign(best=True)
    spec = TableSpec(1, "t", "mean", ("fid",))
    latex, markdown = to_latex(spec, cells), to_markdown(spec, cells)
    assert r"\input" not in latex and r"\textbackslash{}input\{/etc/x\}\$\_\&\%\#" in latex
    assert r"\\input" in markdown and r"\|\<b>" in markdown
    assert {line.replace(r"\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")} == {5}
