"""Convolutional decoder to the spectrogram, the encoder's mirror image."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.tokenizer.encoder import ResidualBlock


class Decoder(nn.Module):
    """The encoder's mirror image: latents (B, hidden_channels, H, w) to a spectrogram (B, out_channels, H, W).

    Args:
        size: (H, W) of the spectrogram; the last layer resizes to it (bilinear).
    """

    def __init__(
        self,
        out_channels: int,
        hidden_channels: int,
        n_halvings: int,
        n_residual_blocks: int,
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [ResidualBlock(hidden_channels, inner_norm=False) for _ in range(n_residual_blocks)]
        for _ in range(n_halvings - 1):
            layers += [
                nn.ConvTranspose2d(hidden_channels, hidden_channels, (3, 4), stride=(1, 2), padding=1),
                nn.BatchNorm2d(hidden_channels),
                nn.LeakyReLU(),
            ]
        if n_halvings == 0:
            layers.append(nn.Conv2d(hidden_channels, out_channels, 3, padding=1))
        else:
            # one upsampling more than the encoder has halvings, so that the resize below only ever shrinks
            layers += [
                nn.ConvTranspose2d(channels, out_channels, (3, 4), stride=(1, 2), padding=1)
                for channels in (hidden_channels, out_channels)
            ]
        self.layers = nn.Sequential(*layers)
        self.size = size

    def forward(self, z: Tensor) -> Tensor:
        """Decode latents to the spectrogram."""
        return F.interpolate(self.layers(z).float(), size=self.size, mode="bilinear", align_corners=True)
