"""The study's seven tables for the runs of a bench: mean ± sd over seeds, with the published values beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metric_list import STUDY
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.files import remove_leftovers, replaced
from ncvqvae.study.ablation import single_switches, ssl_share
from ncvqvae.study.markup import PEER, Statistic, TableSpec, number, plain_markdown, to_latex, to_markdown
from ncvqvae.study.rows import CHAPTER_MODELS, collect_rows, main_models, published_rows, timevqvae_means

Source = Literal["ours", "chapter", "TimeVQVAE", "real data"]

TABLES = (
    TableSpec(1, "Mean validation reconstruction error", "mean", ("val_recon",)),
    TableSpec(2, "Top 1 validation reconstruction error", "top1", ("val_recon",)),
    TableSpec(3, "Mean linear probe accuracy", "mean", ("knn", "svm")),
    TableSpec(4, "Top 1 linear probe accuracy", "top1", ("knn", "svm")),
    TableSpec(5, "Top 1 FID and IS, unconditional sampling", "top1", ("fid", "is")),
    TableSpec(6, "Mean FID and IS, unconditional sampling", "mean", ("fid", "is")),
    TableSpec(7, "Mean CAS", "mean", ("cas",)),
    TableSpec(8, "Label-first sampling: mean FID, IS and share of copies (not in the chapter)", "mean",
              ("fid_labelled", "is_labelled", "copied", "copied_real")),
)  # fmt: skip


TITLE = "# Tables"
"""First line of ``tables.md``."""


def write_all(folder: str | Path, out: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write rows, tables and pictures of the bench in ``folder`` into ``out``; returns the files.

    Args:
        folder: a bench's folder, or a CSV of rows; a CSV gives no pictures of loss curves.
        out: folder of the files: a new or empty one, or one with the tables of an earlier call, which are replaced.
        overwrite: write into any other folder, too.

    Raises:
        InputError: if there is no evaluated run, or the folder holds something else.
    """
    from ncvqvae.study.pictures import load_curves, save_pictures, with_final_losses
    from ncvqvae.study.ranks import save_ranks
    from ncvqvae.study.relations import save_relations

    folder, out = Path(folder), Path(out)
    _check_folder(out, overwrite)
    rows, curves = collect_rows(folder), load_curves(folder)
    rows = with_final_losses(rows, curves)
    out.mkdir(parents=True, exist_ok=True)
    files = [_write(out / "rows.csv", rows.to_csv(index=False))]
    sections = [TITLE, _preface(rows, folder.name if folder.is_file() else "rows.csv")]
    main = rows[rows["model"].isin(main_models(rows))]  # variants have tables of their own
    for spec in TABLES:
        cells = table_cells(spec, main)
        if len(cells):
            files.append(_write(out / f"{spec.stem}.csv", cells.to_csv(index=False)))
            files.append(_write(out / f"{spec.stem}.tex", to_latex(spec, cells)))
            files.append(_write(out / f"{spec.stem}.md", to_markdown(spec, cells)))
            sections.append(to_markdown(spec, cells))
    for name, title, table in (
        ("models", "All models and variants, mean ± sd over seeds", all_models),
        ("switches", "One switch at a time: second model minus first, mean ± sd over common seeds", single_switches),
        ("ssl-share", "How much of the published gain is SSL", ssl_share),
    ):
        effects = table(rows)
        if len(effects):
            files.append(_write(out / f"{name}.csv", effects.to_csv(index=False)))
            sections.append(f"## {title}\n\n{plain_markdown(effects)}")
    of_relations, section = save_relations(main, out)
    sections += [section] * bool(section)
    files.append(_write(out / "tables.md", "\n\n".join(sections) + "\n"))
    return files + of_relations + save_ranks(main, out) + save_pictures(rows, curves, out)


def _is_ours(rows: Path) -> bool:
    """Whether a file begins as the rows that `collect_rows` gives."""
    return rows.is_file() and rows.read_bytes()[:100].startswith(b"dataset,ssl,augmentation,")


def _check_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder that is not one of tables: its ``tables.md`` begins with what this module writes.

    A call that was killed before that left ``rows.csv`` at most.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder in --out")
    remove_leftovers(out)
    if overwrite or not out.is_dir() or all(path.name == "rows.csv" and _is_ours(path) for path in out.iterdir()):
        return
    page = out / "tables.md"
    if not page.is_file() or not page.read_bytes()[: len(TITLE)].startswith(TITLE.encode()):
        raise InputError(f"{out} holds files that are no tables; choose another --out, or write there with --overwrite")


def all_models(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per dataset and model, variants included: number of seeds and ``mean ± sd`` of each metric."""
    groups = rows.groupby(["dataset", "model"], sort=False)
    table = groups.size().rename("runs").to_frame()
    for metric in [name for name in STUDY if name in rows]:
        mean, sd = groups[metric].mean(), groups[metric].std()
        table[metric] = [number(m, s, metric_of(metric).decimals) for m, s in zip(mean, sd, strict=True)]
    return table.reset_index()


def table_cells(spec: TableSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """The table in long form: dataset, metric, source, model, n_seeds, value, sd, best.

    ``value`` is the mean over seeds (with ``sd`` from n - 1) or the value of the best seed. ``best`` marks the best
    model for each dataset, metric and source.
    """
    metrics = [name for name in spec.metrics if name in rows]
    parts = [_statistics(spec.statistic, rows, metrics, "ours")]
    datasets = list(dict.fromkeys(rows["dataset"]))
    chapter = published_rows()
    chapter = chapter[chapter["dataset"].isin(datasets)]
    parts.append(_statistics(spec.statistic, chapter, [name for name in metrics if name in chapter], "chapter"))
    if spec.statistic == "mean":
        parts += [_timevqvae(datasets, metrics), _real_data(rows, metrics)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame()
    cells = pd.concat(parts, ignore_index=True)
    names = dict.fromkeys([*CHAPTER_MODELS, *rows["model"], *PEER.values()])
    order = {name: place for place, name in enumerate(names)}
    cells["_model"] = cells["model"].map({name: order[name] for name in cells["model"].unique()})
    cells["_metric"] = cells["metric"].map({name: place for place, name in enumerate(spec.metrics)})
    cells = cells.sort_values(["dataset", "_metric", "source", "_model"], kind="stable", ignore_index=True)
    return cells.drop(columns=["_model", "_metric"])


def _statistics(statistic: Statistic, rows: pd.DataFrame, metrics: Sequence[str], source: Source) -> pd.DataFrame:
    parts = []
    for metric in metrics:
        best = metric_of(metric).best
        groups = rows.dropna(subset=[metric]).groupby(["dataset", "model"], sort=False)[metric]
        value = groups.mean() if statistic == "mean" else groups.agg(best)
        values = pd.DataFrame({"n_seeds": groups.size(), "value": value})
        values["sd"] = groups.std() if statistic == "mean" else float("nan")
        best_of_dataset = values.groupby("dataset")["value"].transform(best)
        values["best"] = values["value"].to_numpy() == best_of_dataset.to_numpy()
        parts.append(values.reset_index().assign(metric=metric, source=source))
    columns = ["dataset", "metric", "source", "model", "n_seeds", "value", "sd", "best"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _timevqvae(datasets: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    means = timevqvae_means()
    found = [
        {"dataset": dataset, "metric": metric, "source": "chapter", "model": PEER["TimeVQVAE"], "value": value}
        for metric in metrics
        if metric in means
        for dataset, value in means[metric].dropna().items()
        if dataset in datasets
    ]
    return pd.DataFrame(found).assign(best=False) if found else pd.DataFrame()


def _real_data(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Values for real data from our runs; metrics whose value depends on the model's tokenizer are left out."""
    parts = []
    for metric in metrics:
        column = metric_of(metric).real
        if column is not None and column in rows and metric_of(metric).better != "real":
            groups = rows.dropna(subset=[column]).groupby("dataset", sort=False)[column]
            values = pd.DataFrame({"n_seeds": groups.size(), "value": groups.mean(), "sd": groups.std()}).reset_index()
            parts.append(values.assign(metric=metric, source="ours", model=PEER["real data"], best=False))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _preface(rows: pd.DataFrame, source: str) -> str:
    def listed(column: str) -> str:
        return ", ".join(sorted(map(str, rows[column].dropna().unique()))) if column in rows else "unknown"

    n = rows.groupby(["dataset", "model"]).size()
    seeds = f"{n.max()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
    return (
        f"{len(rows)} runs; seeds per cell: {seeds}; preset {listed('preset')}; version "
        f"{listed('version')}, commit {listed('commit')}; FCN behind FID and IS: {listed('fcn')}. Every run is a row "
        f"of {source}. *ours*: these rows, mean ± sd over seeds (a single seed has no sd); *chapter*: the study's four "
        "runs; **bold**: best model of the row. A model named A+B is a variant of A, and in the tables further below."
    )


def _write(path: Path, text: str) -> Path:
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
