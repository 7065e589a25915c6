"""Draw the pictures of docs/analysis.md beside this file: ``python docs/pictures/analysis.py`` fits GunPoint first."""

from pathlib import Path

import numpy as np

from ncvqvae import NCVQVAE, load_dataset
from ncvqvae.analysis import attention_maps, class_direction, draw_attention, move, pair_direction
from ncvqvae.report.style import LIGHT, new_figure, panel_title

HERE = Path(__file__).parent
AMOUNTS = (0.0, 0.5, 1.0)


def main() -> None:
    X, y = load_dataset("GunPoint", split="train")
    model = NCVQVAE("quick", seed=0).fit(X, y, verbose=True)
    draw_attention(attention_maps(model, 1)).savefig(HERE / "attention.png")
    directions = {
        "from class 1 to class 2": class_direction(model, X, y, 1, 2),
        "later": pair_direction(model, X, lambda X: np.roll(X, 5, axis=-1)),
    }
    figure = new_figure(7.5, 2.4, "A series moved along two directions")
    start = X[np.asarray(y) == 1][:1]
    for place, (name, direction) in enumerate(directions.items(), start=1):
        ax = figure.add_subplot(1, 2, place)
        for amount, color in zip(AMOUNTS, (LIGHT[7], LIGHT[5], LIGHT[1]), strict=True):
            ax.plot(move(model, start, direction, amount)[0, 0], color=color, label=f"amount {amount:g}")
        panel_title(ax, name)
        ax.legend(fontsize=7)
    figure.savefig(HERE / "directions.png")


if __name__ == "__main__":
    main()
