"""Pictures of tokens: the use of the codebook, pairs of codes, and how sure the prior is while it decodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from ncvqvae.evaluation.tokens import code_pairs, code_similarity, decoding_confidence, token_usage
from ncvqvae.report.projections import pca_planes
from ncvqvae.report.style import DASHES, LIGHT, new_figure, panel_title


def token_histogram(tokens: Mapping[str, np.ndarray], codebook_size: int) -> Figure:
    """Share of each code among the tokens of each split, with the perplexity of the distribution.

    Args:
        tokens: split → tokens (n, N).
        codebook_size: number of codes K.
    """
    figure = new_figure(9, 1.7 * len(tokens) + 0.6, "Use of the codebook")
    shared: Axes | None = None
    for row, (name, part) in enumerate(tokens.items()):
        usage = token_usage(part, codebook_size)
        shared = figure.add_subplot(len(tokens), 1, row + 1, sharex=shared, sharey=shared)
        shared.bar(np.arange(codebook_size), usage.histogram / usage.histogram.sum(), color=LIGHT[row])
        shared.set_ylabel("share")
        shared.set_title(
            f"{name}: perplexity {usage.perplexity:.1f} of {codebook_size}, {usage.dead_codes} unused", fontsize=9
        )
    figure.axes[-1].set_xlabel("code")
    return figure


def code_matrices(codebook: np.ndarray, tokens: Mapping[str, np.ndarray]) -> Figure:
    """Correlation and cosine similarity of the code vectors, and the pointwise mutual information of codes by split.

    Args:
        codebook: code vectors (K, d).
        tokens: split → tokens (n, N).
    """
    similarity = code_similarity(codebook)
    matrices = {"correlation": similarity.correlation, "cosine similarity": similarity.cosine}
    for name, part in tokens.items():
        if part.shape[1] > 1:
            matrices[f"PMI, {name}"] = code_pairs(part, len(codebook)).pmi
    figure = new_figure(3.4 * len(matrices), 3.6, "Pairs of codes")
    for column, (name, matrix) in enumerate(matrices.items()):
        ax = figure.add_subplot(1, len(matrices), column + 1)
        largest = float(np.nanmax(np.abs(matrix))) or 1.0
        image = ax.imshow(matrix, cmap="PuOr", vmin=-largest, vmax=largest, interpolation="nearest")
        ax.set_title(name, fontsize=9)
        figure.colorbar(image, ax=ax, shrink=0.7)
    return figure


def entropy_per_step(entropies: np.ndarray) -> Figure:
    """Mean entropy (T,) in nats of the tokens still unknown before each decoding step."""
    figure = new_figure(5, 3.2, "Entropy of the tokens still unknown")
    ax = figure.add_subplot()
    ax.plot(np.arange(1, len(entropies) + 1), entropies, marker="o", color=LIGHT[0])
    ax.set(xlabel="decoding step", ylabel="entropy, nats", ylim=(0, None))
    return figure


def confidence_per_step(selected_probabilities: np.ndarray) -> Figure:
    """Histogram of the drawn tokens' probability at each decoding step; early values above 0.9 show memorisation.

    Args:
        selected_probabilities: (T, n, N), nan where nothing was drawn.
    """
    confidence = decoding_confidence(step[~np.isnan(step)] for step in selected_probabilities)
    steps = len(confidence.mean)
    columns = min(5, steps)
    rows = -(-steps // columns)
    figure = new_figure(2.3 * columns, 1.8 * rows + 0.6, "Probability of the tokens drawn at each decoding step")
    shared: Axes | None = None
    for step in range(steps):
        shared = figure.add_subplot(rows, columns, step + 1, sharex=shared, sharey=shared)
        shared.bar(
            confidence.edges[:-1], confidence.histogram[step], np.diff(confidence.edges), align="edge", color=LIGHT[0]
        )
        shared.axvline(0.9, color=LIGHT[1], linestyle=DASHES[1], linewidth=1)
        share = confidence.share_sure[step]
        panel_title(shared, f"step {step + 1}: " + ("none drawn" if np.isnan(share) else f"{share:.0%} above 0.9"))
    return figure


def codebook_plane(codebook: np.ndarray, tokens: np.ndarray | None = None) -> Figure:
    """PCA of the code vectors (K, d), each with its index; size shows use in `tokens`, unused codes are hollow."""
    plane = pca_planes(codebook)[0]
    counts = np.ones(len(codebook)) if tokens is None else token_usage(tokens, len(codebook)).histogram
    figure = new_figure(5.5, 5, "PCA of the codebook")
    ax = figure.add_subplot()
    faces = [to_rgba(LIGHT[0], 0.5 if count else 0.0) for count in counts]
    ax.scatter(plane[:, 0], plane[:, 1], s=20 + 400 * counts / counts.max(), c=faces, edgecolors=LIGHT[0])
    for index, (x, y) in enumerate(plane):
        ax.annotate(str(index), (x, y), fontsize=7, ha="center", va="center")
    ax.set(xlabel="component 1", ylabel="component 2")
    return figure
