"""The last part of the decoder: corrections of the decoded series in time, where edges and flat parts are sharp."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4)


class Refinement(nn.Module):
    """Adds to a decoded series what convolutions over time make of it and of the latents.

    What comes out of an inverse short-time Fourier transform ripples beside steps and spikes, because each coefficient
    acts on a whole window. At the start of the training nothing is added.

    Args:
        n_channels: channels C of the series.
        latent_sizes: values of each band's latents at one place in time, d H.
        width: channels of the convolutions.
        n_before, n_behind: time steps before and behind the series that the latents stand for as well.
    """

    def __init__(
        self, n_channels: int, latent_sizes: Sequence[int], width: int, n_before: int = 0, n_behind: int = 0
    ) -> None:
        super().__init__()
        self.n_before, self.n_behind = n_before, n_behind
        self.of_series = nn.Conv1d(n_channels, width, 7, padding=3, padding_mode="replicate")
        self.of_latents = nn.ModuleList(nn.Conv1d(size, width, 1) for size in latent_sizes)
        self.blocks = nn.ModuleList(_block(width, dilation) for dilation in DILATIONS)
        self.last = nn.Conv1d(width, n_channels, 3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, z: Sequence[Tensor]) -> Tensor:
        """Correct decoded series x (B, C, T), of whose bands the latents are z, (B, d, H, W) each."""
        hidden, n_timepoints = self.of_series(x), x.shape[2]
        n_steps = self.n_before + n_timepoints + self.n_behind
        for of_latents, own in zip(self.of_latents, z, strict=True):
            over_time = F.interpolate(of_latents(own.flatten(1, 2)), size=n_steps, mode="linear")
            hidden = hidden + over_time[..., self.n_before : self.n_before + n_timepoints]
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return x + self.last(F.leaky_relu(hidden))


def _block(width: int, dilation: int) -> nn.Sequential:
    """Convolutions (B, width, T) that keep the shape, with norms before their activations."""
    return nn.Sequential(
        nn.BatchNorm1d(width),
        nn.LeakyReLU(),
        nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation, padding_mode="replicate"),
        nn.BatchNorm1d(width),
        nn.LeakyReLU(),
        nn.Conv1d(width, width, 1),
    )
