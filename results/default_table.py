"""The tables of the ``default`` preset, from ``default.csv``.

``python results/default_table.py`` prints that of README.md in this folder, then the short one of the project's README.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ncvqvae.study.rows import published_rows, timevqvae_means

ROWS = Path(__file__).with_name("default.csv")
HEADER = (
    "dataset",
    "seeds",
    "FID unconditional (best NC / TimeVQVAE)",
    "FID label-first (target; real)",
    "FID, IS of reconstructions",
    "IS label-first (real)",
    "CAS (real; best NC / TimeVQVAE)",
    "KNN, SVM (best NC)",
    "copied",
    "worst class copied (real)",
    "copied_raw (real)",
    "minutes of training (authors' stage 1 on a GPU)",
)
SHORT_HEADER = (
    "dataset",
    "distance to real series (FID): ours",
    "best published NC-VQVAE",
    "TimeVQVAE",
    "accuracy after learning from generated series",
    "from real ones",
    "copies",
)


class OfDataset(NamedTuple):
    """Our rows, their mean, and what is published: means of the six NC models, of TimeVQVAE."""

    name: str
    rows: pd.DataFrame
    mean: pd.Series
    nc: pd.DataFrame
    peer: pd.Series


def table() -> str:
    """Markdown: a row a dataset, mean ± sd over its seeds, in bold where the mean meets the target."""
    return _markdown(HEADER, map(_cells, _datasets()))


def short_table() -> str:
    """Markdown: a row a dataset, means over its seeds."""
    return _markdown(SHORT_HEADER, map(_short_cells, _datasets()))


def _datasets() -> Iterable[OfDataset]:
    published, peers = published_rows(), timevqvae_means()
    nc = published[published["ssl"] != "none"].groupby(["dataset", "model"]).mean(numeric_only=True)
    for name, rows in pd.read_csv(ROWS).groupby("dataset"):
        of = str(name)
        yield OfDataset(of, rows, rows.mean(numeric_only=True), nc.loc[[of]].droplevel("dataset"), peers.T[of])


def _cells(of: OfDataset) -> list[str]:
    rows, mean, nc, peer = of.rows, of.mean, of.nc, of.peer
    fid = min(nc["fid"].min(), peer["fid"])
    half = max(fid / 2, 1.5 * mean["fid_real"])
    cas = max(nc["cas"].max(), peer["cas"], 0.95 * mean["cas_real"])
    minutes = (rows["stage1_seconds"] + rows["stage2_seconds"]) / 60
    on_gpu = nc["stage1_seconds_on_gpu"].min() / 60
    spread = f"{minutes.min():.0f}" if len(rows) == 1 else f"{minutes.min():.0f} to {minutes.max():.0f}"
    probes = [_cell(rows[name], 3, mean[name] >= nc[name].max()) for name in ("knn", "svm")]
    return [
        of.name,
        ", ".join(map(str, rows["seed"])),
        f"{_cell(rows['fid'], 2, mean['fid'] < fid)} ({nc['fid'].min():.2f} / {peer['fid']:g})",
        f"{_cell(rows['fid_labelled'], 2, mean['fid_labelled'] <= half)} ({half:.2f}; {mean['fid_real']:.2f})",
        f"{mean['fid_reconstructed']:.2f}, {mean['is_reconstructed']:.2f}",
        f"{_cell(rows['is_labelled'], 2, mean['is_labelled'] >= 0.9 * mean['is_real'])} ({mean['is_real']:.2f})",
        f"{_cell(rows['cas'], 3, mean['cas'] > cas)} "
        f"({mean['cas_real']:.3f}; {nc['cas'].max():.3f} / {peer['cas']:.3f})",
        f"{', '.join(probes)} ({nc['knn'].max():.3f}, {nc['svm'].max():.3f})",
        _cell(rows["copied"], 3, mean["copied"] <= 0.07),
        f"{_cell(rows['copied_worst_class'], 3, mean['copied_worst_class'] <= 0.15)} "
        f"({mean['copied_worst_class_real']:.2f})",
        f"{mean['copied_raw']:.3f} ({mean['copied_raw_real']:.3f})",
        f"{_bold(spread, minutes.max() < on_gpu)} ({on_gpu:.0f})",
    ]


def _short_cells(of: OfDataset) -> list[str]:
    digits = {"fid": 2, "best NC": 2, "TimeVQVAE": 1, "cas_rocket": 3, "cas_rocket_real": 3, "copied_raw": 3}
    values = {**of.mean, "best NC": of.nc["fid"].min(), "TimeVQVAE": of.peer["fid"]}
    return [of.name, *(f"{values[name]:.{places}f}" for name, places in digits.items())]


def _cell(values: pd.Series, digits: int, met: bool) -> str:
    sd = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return _bold(f"{values.mean():.{digits}f}{sd}", met)


def _bold(text: str, met: bool) -> str:
    return f"**{text}**" if met else text


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(table(), short_table(), sep="\n", end="")
