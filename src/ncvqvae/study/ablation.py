"""The effect of each setting: pairs of models that differ in one setting, and SSL's share of the published gain."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations
from typing import Any

import pandas as pd

from ncvqvae.config import load_config
from ncvqvae.evaluation.metric_list import METRICS, STUDY
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.study.rows import flat_settings, is_known, row_settings

GENERATIVE = [key for key in STUDY if metric_of(key).group in ("fidelity", "utility")]
COMPARED = [key for key in STUDY if key in METRICS and metric_of(key).group != "training"]
PUBLISHED_SWITCHES = {"ssl", "prior.input_mode", "prior.scale_tied_logits", "stage2.schedule_gives"}
"""Settings in which the published models differ: SSL, how the prior reads and scores tokens, how many it masks."""


def single_switches(rows: pd.DataFrame) -> pd.DataFrame:
    """Metrics of all pairs of models that differ in one setting: second minus first, paired over common seeds.

    The first model of a pair has the preset's value. Between a naive and a self-supervised model, SSL loss and
    augmentation count as one setting, and the naive model comes first.
    """
    found = []
    settings = _settings(rows)
    for (dataset, first), (other, second) in combinations(settings, 2):
        if dataset != other:
            continue
        switches = _switches(settings[dataset, first], settings[other, second])
        if len(switches) == 1:
            name = switches[0]
            values = (settings[dataset, first][name], settings[other, second][name])
            usual = "none" if name == "ssl" and "none" in values else usual_value(settings[dataset, first], name)
            if usual not in values:
                continue
            if values[1] == usual:
                first, second, values = second, first, values[::-1]
            pair = {"dataset": dataset, "switch": name, "from": values[0], "to": values[1]}
            models = {"first": first, "second": second}
            found.append(pair | models | _differences(rows, dataset, first, second))
    table = pd.DataFrame(found)
    return table.sort_values(["switch", "dataset"], kind="stable", ignore_index=True) if found else table


def usual_value(settings: dict[str, Any], name: str) -> Any:
    """The preset's value of a setting, for the model's kind (naive or self-supervised)."""
    return _usual_settings(settings["preset"], settings["ssl"])[name]


@cache
def _usual_settings(preset: str, ssl: str) -> dict[str, Any]:
    return flat_settings(load_config(preset, settings={"ssl": ssl}))


def ssl_share(rows: pd.DataFrame) -> pd.DataFrame:
    """Gain of the published pair of models, beside the gain of SSL alone with the prior of either model.

    There is a line per dataset, SSL model and metric if a pair ran that differs in SSL alone. ``gain`` is positive for
    an improvement. ``share`` is SSL's part of the published gain; it is left out if that gain is not above its standard
    deviation over seeds, or comes from a single seed.
    """
    settings = _settings(rows)
    found = []
    for (dataset, naive), (other, model) in combinations(settings, 2):
        if settings[dataset, naive]["ssl"] != "none":
            (dataset, naive), (other, model) = (other, model), (dataset, naive)
        a, b = settings[dataset, naive], settings[other, model]
        as_published = all(of[name] == usual_value(of, name) for of in (a, b) for name in PUBLISHED_SWITCHES)
        if dataset != other or not as_published or set(_switches(a, b)) != PUBLISHED_SWITCHES:
            continue
        for metric in GENERATIVE:
            sign = 1 if metric_of(metric).better == "higher" else -1
            published = _paired(rows, dataset, naive, model, metric)
            alone = {
                "with the model's prior": _gain_of_ssl(rows, settings, dataset, a, b, b, metric),
                "with the naive prior": _gain_of_ssl(rows, settings, dataset, a, b, a, metric),
            }
            if not len(published) or set(alone.values()) == {None}:
                continue
            total = float(published.mean())
            clear = sign * total > published.std()  # False for a single seed, whose spread is unknown
            line: dict[str, Any] = {"dataset": dataset, "metric": metric, "naive": naive, "model": model}
            line["gain"] = round(sign * total, 3)
            for label, gain in alone.items():
                line[f"SSL alone, {label}"] = "" if gain is None else round(sign * gain, 3)
                line[f"share, {label}"] = f"{gain / total:.0%}" if clear and gain is not None else ""
            found.append(line)
    return pd.DataFrame(found)


def _gain_of_ssl(
    rows: pd.DataFrame,
    settings: dict[tuple[str, str], dict[str, Any]],
    dataset: str,
    naive: dict[str, Any],
    model: dict[str, Any],
    like: dict[str, Any],
    metric: str,
) -> float | None:
    """Difference that SSL makes if both models have the prior of ``like``; None if one of them did not run."""
    same_prior = {name: like[name] for name in PUBLISHED_SWITCHES - {"ssl"}}
    names = {_key(values): name for (of, name), values in settings.items() if of == dataset}
    first, second = names.get(_key(naive | same_prior)), names.get(_key(model | same_prior))
    if first is None or second is None:
        return None
    differences = _paired(rows, dataset, first, second, metric)
    return float(differences.mean()) if len(differences) else None


def _key(settings: dict[str, Any]) -> str:
    """Settings as text; equal settings give equal text."""
    return json.dumps(settings, sort_keys=True)


def _settings(rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Settings by (dataset, model); rows without settings, or with losses or views not installed here, are left out."""
    if "settings" not in rows:
        return {}
    models = rows.drop_duplicates(["dataset", "model"])
    known = [row for _, row in models.iterrows() if is_known(row["preset"], row["ssl"], row["augmentation"])]
    return {(row["dataset"], row["model"]): row_settings(row) for row in known}


def _switches(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    different = [name for name in a if a[name] != b[name] and name != "preset"]
    if "ssl" in different and "none" in (a["ssl"], b["ssl"]):
        # a naive model has no second view, so its augmentation has no effect
        different = [name for name in different if name != "augmentation"]
    return different


def _paired(rows: pd.DataFrame, dataset: str, first: str, second: str, metric: str) -> pd.Series:
    """Second minus first by seed."""
    if metric not in rows:
        return pd.Series(dtype=float)
    of_dataset = rows.loc[rows["dataset"] == dataset, ["model", "seed", metric]]  # a damaged file has thousands more
    a, b = (of_dataset[of_dataset["model"] == name].set_index("seed")[metric] for name in (first, second))
    return (b - a).dropna()


def _differences(rows: pd.DataFrame, dataset: str, first: str, second: str) -> dict[str, str]:
    texts = {}
    for metric in [name for name in COMPARED if name in rows]:
        values = _paired(rows, dataset, first, second, metric)
        spread = f" ± {values.std():.3f}" if len(values) > 1 else ""
        texts[metric] = f"{values.mean():+.3f}{spread}" if len(values) else ""
    return texts
