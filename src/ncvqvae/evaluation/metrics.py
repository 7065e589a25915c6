"""Reading the registry of metrics: the metric of a key, its companions, and its value as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ncvqvae.evaluation.metric import GROUPS, Metric
from ncvqvae.evaluation.metric_list import ENDS, INTERVAL, METRICS, RIVALS, SD

_OF_REAL = {metric.real: metric for metric in reversed(METRICS.values()) if metric.real is not None}
"""Key of a value for real data → the metric that it belongs to."""


def without_end(key: str) -> str:
    """A key without the end that says interval or deviation: `fid` for `fid_low`."""
    end = next((end for end in (*INTERVAL, SD) if key.endswith(end)), "")
    return key.removesuffix(end)


def suffixed(key: str, suffix: str) -> str:
    """A key with a suffix before the end that says interval or deviation: `fid_low` and `_x` make `fid_x_low`."""
    bare = without_end(key)
    return f"{bare}{suffix}{key.removeprefix(bare)}"


def of_rival(key: str, rival: str) -> str:
    """Key of a metric of a rival: `fid_labelled` and `timewarp` make `fid_labelled_of_timewarp`."""
    return suffixed(key, f"_of_{rival}")


def rival_of(key: str) -> tuple[str, str] | None:
    """The metric and the rival of a key, `fid_labelled_of_timewarp`; None of a key that is no rival's."""
    metric, _, rival = without_end(key).rpartition("_of_")
    return (metric, rival) if metric and rival in RIVALS else None


def metric_of(key: str) -> Metric:
    """The metric of a key; an unknown key becomes a metric with the key as its title and no better values."""
    if key in METRICS:
        return METRICS[key]
    if key in _OF_REAL:
        of = _OF_REAL[key]
        title = of.title.removesuffix(", label-first").removesuffix(", unconditional")
        return replace(of, key=key, title=f"{title}, real data", better="", real=None)
    if key.endswith(SD):
        of = metric_of(key.removesuffix(SD))
        return replace(of, key=key, title=f"{of.title}, deviation over seeds", better="", real=None)
    found = rival_of(key)
    if found is not None and found[0] in METRICS:
        of = METRICS[found[0]]
        return replace(of, key=key, title=f"{of.title}, {RIVALS[found[1]]}")
    return Metric(key, key)


def judgeable(metrics: Mapping[str, float]) -> dict[str, str]:
    """Keys of metrics that there are too few series to judge, and why: empty where all can be judged.

    The least number is `Metric.least`; metrics without a count of their series are left alone.
    """
    reasons: dict[str, str] = {}
    for key in metrics:
        metric = metric_of(key)
        n = metrics.get(metric.counted)
        if n is not None and n < metric.least:
            what = METRICS[metric.counted].title
            reasons[key] = f"{what}: {n:.0f}, and at least {metric.least} are needed to tell it from chance"
    return reasons


def real_key(key: str, metrics: Mapping[str, float]) -> str | None:
    """Key of the same metric for real data, such as `fid_real` for `fid_labelled`; None if it was not measured."""
    name = metric_of(key).real or f"{key}_real"
    return name if name in metrics else None


def real_value(key: str, metrics: Mapping[str, float]) -> float | None:
    """The same metric for real data."""
    name = real_key(key, metrics)
    return None if name is None else metrics[name]


def generated_keys(metrics: Mapping[str, float]) -> list[str]:
    """Keys of metrics, known ones first; values for real data, of rivals, intervals and deviations are left out."""
    kept = [
        key
        for key in metrics
        if key in METRICS or not (key.endswith(("_real", SD, *INTERVAL)) or rival_of(key) is not None)
    ]
    order = {key: place for place, key in enumerate(METRICS)}
    return sorted(kept, key=lambda key: order.get(key, len(order)))


def grouped_keys(metrics: Mapping[str, float]) -> dict[str, list[str]]:
    """`generated_keys` by the title of their group, in the order of `GROUPS`."""
    keys = generated_keys(metrics)
    grouped = {title: [key for key in keys if metric_of(key).group == group] for group, title in GROUPS.items()}
    return {title: of_group for title, of_group in grouped.items() if of_group}


def number_text(value: float | None) -> str:
    """A number with three significant digits, or whole above 100; a dash if it is missing."""
    if value is None or value != value:
        return "–"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def value_text(key: str, value: float | None) -> str:
    """A value with its unit as people write it: `5.5 %`, `130 s`, `0.950`."""
    unit = metric_of(key).unit
    if value is None or value != value:
        return number_text(value)
    if unit == "whole":
        return f"{value:.0f}"
    return f"{100 * value:.1f} %" if unit == "%" else f"{number_text(value)} {unit}".rstrip()


def interval_text(key: str, metrics: Mapping[str, float]) -> str:
    """Bootstrap interval of a metric, `0.51 – 0.72`; empty where there is none."""
    ends = [metrics.get(f"{key}{end}") for end in INTERVAL]
    return " – ".join(value_text(key, value) for value in ends) if None not in ends else ""


def glossary() -> str:
    """All metrics with their meaning, in Markdown, by group: the page docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "What `evaluate` writes to `metrics.json` and shows on the page of a run. Begin with the three that the page",
        "shows first: `utility_both`, `fid_labelled` and `nearer_rocket`. The [glossary](glossary.md) explains words.",
        "",
        "*Better* says which values are good. *Beside real data* names the key of the same number for real series, to",
        "compare with. *Least number* is the number of held-out series below which a metric is mostly chance; where a",
        "metric is about the rarest class, it counts those of this class.",
        "",
        "This page is made from the code, by `python -m ncvqvae.evaluation.metrics > docs/metrics.md`.",
    ]
    groups = {**GROUPS, "": "Beside these"}
    for group, title in groups.items():
        of_group = [metric for metric in METRICS.values() if metric.group == group]
        if of_group:
            lines += [
                "",
                f"## {title}",
                "",
                "| key | name and meaning | better | beside real data | least number |",
                "|---|---|---|---|---|",
            ]
        for metric in of_group:
            real = f"`{metric.real}`" if metric.real else ""
            least = str(metric.least or "")
            unit = {"s": " In seconds.", "nats": " In nats."}.get(metric.unit, "")
            meaning = f"*{metric.title}.* {metric.meaning}{unit}"
            cells = (f"`{metric.key}`", meaning, metric.better_text, real, least)
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Ends of keys",
        "",
        "| end | meaning |",
        "|---|---|",
        *(f"| `{end}` | {meaning} |" for end, meaning in ENDS.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(glossary())
