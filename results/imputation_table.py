"""Print the table of docs/filling.md from imputation.csv: ``python results/imputation_table.py``."""

import csv
from pathlib import Path

ROWS = Path(__file__).parent / "imputation.csv"
METHODS = (
    "linear",
    "nearest training series",
    "one draw",
    "mean of draws",
    "median of draws",
    "without a class",
    "without blending",
    "linear blending",
)


def table() -> str:
    """A row a method; for each kind of gap the mean squared and the mean absolute error."""
    with ROWS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = list(dict.fromkeys((row["share"], row["n_blocks"]) for row in rows))
    found = {(row["method"], row["share"], row["n_blocks"]): row for row in rows}

    def title(share: str, n_blocks: str) -> str:
        return f"{float(share):.0%} in {n_blocks} block{'s' * (n_blocks != '1')}"

    lines = ["| filled by | " + " | ".join(title(*case) for case in cases) + " |", "|---" * (len(cases) + 1) + "|"]
    for method in METHODS:
        cells = [f"{float(r['mse']):.3f}, {float(r['mae']):.3f}" for r in (found[method, *case] for case in cases)]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
