"""Draw the picture of docs/index.md: ``python docs/pictures/draw.py`` fits GunPoint and writes real-generated.svg."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ncvqvae import NCVQVAE, load_dataset
from ncvqvae.report.style import LIGHT

SHOWN = 12


def main() -> None:
    X, y = load_dataset("GunPoint", split="train")
    model = NCVQVAE(seed=0).fit(X, y)
    mpl.rcParams["svg.hashsalt"] = "ncvqvae"  # the same series give the same file
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, (label, name) in enumerate(zip(model.classes_.tolist(), ("gun", "point"), strict=True)):
        real = X[np.asarray(y) == label][:SHOWN, 0]
        made = model.sample(SHOWN, labels=label, seed=1).X[:, 0]
        for column, (series, kind) in enumerate(((real, "real"), (made, "generated"))):
            ax = panels[row, column]
            ax.plot(series.T, color=LIGHT[row], linewidth=0.8, alpha=0.7)
            ax.set_title(f"{name}, {kind}", fontsize=10)
            ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).with_name("real-generated.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
