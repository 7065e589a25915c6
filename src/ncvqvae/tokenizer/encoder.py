"""Convolutional encoder on the spectrogram; only time is compressed, frequency rows stay."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


def n_halvings(n_frames: int, latent_width: int) -> int:
    """Halvings of time so that the token grid is about ``latent_width`` wide: int(log2(round(n_frames / width)))."""
    rate = round((n_frames - 1) / latent_width)
    return max(rate, 1).bit_length() - 1


def halved(width: int) -> int:
    """Columns that a convolution with stride 2 makes of ``width`` columns."""
    return (width - 2) // 2 + 1


def grid_width(n_frames: int, latent_width: int) -> int:
    """Columns of the token grid that the encoder makes of so many frames."""
    width = n_frames
    for _ in range(n_halvings(n_frames, latent_width)):
        width = halved(width)
    return width


class ResidualBlock(nn.Module):
    """BN(x + conv1x1(LeakyReLU(conv3x3(LeakyReLU(x))))); shape (B, channels, H, W) kept.

    The norm on the sum keeps latents at unit scale, which a codebook that starts from N(0, 1) needs.

    Args:
        channels: channels in and out.
        inner_norm: batch norm after the 3 x 3 convolution as well (the encoder has it, the decoder does not).
    """

    def __init__(self, channels: int, inner_norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels) if inner_norm else nn.Identity(),
            nn.LeakyReLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's correction to ``x`` and normalise."""
        return self.norm(x + self.layers(x))


class Encoder(nn.Sequential):
    """Spectrogram (B, in_channels, H, W) to latents (B, hidden_channels, H, W / 2^k)."""

    def __init__(self, in_channels: int, hidden_channels: int, n_halvings: int, n_residual_blocks: int) -> None:
        layers: list[nn.Module] = []
        channels = in_channels
        for _ in range(n_halvings):
            layers += [
                nn.Conv2d(channels, hidden_channels, (3, 4), stride=(1, 2), padding=1, padding_mode="replicate"),
                nn.BatchNorm2d(hidden_channels),
                nn.LeakyReLU(),
            ]
            channels = hidden_channels
        if n_halvings == 0:
            layers.append(nn.Conv2d(channels, hidden_channels, 3, padding=1, padding_mode="replicate"))
        layers += [ResidualBlock(hidden_channels, inner_norm=True) for _ in range(n_residual_blocks)]
        super().__init__(*layers)
        self.n_channels, self.n_levels = hidden_channels, max(n_halvings + n_residual_blocks, 1)

    def levels(self, u: Tensor) -> Iterator[Tensor]:
        """What each normalisation makes of a spectrogram (B, in_channels, H, W), the latents last.

        Levels are (B, channels, H, W / 2^i). They are the values before the activation function, whose sign says
        whether a pattern is there. Of an encoder without a normalisation it is the latents alone.
        """
        for layer in self:
            u = layer(u)
            if isinstance(layer, nn.BatchNorm2d | ResidualBlock) or len(self) == 1:
                yield u
