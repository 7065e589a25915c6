"""Stage 1, naive and non-contrastive: spectrogram, autoencoder, EMA codebook, one training step."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .ssl import Projector, barlow_twins, vibcreg

N_FFT, HOP = 8, 2


def stft(x: Tensor) -> Tensor:
    """``(B, C, L)`` to ``(B, 2C, 5, L//2 + 1)``, real and imaginary part of each channel in turn."""
    batch, channels, length = x.shape
    window = torch.hann_window(N_FFT)
    u = torch.stft(x.reshape(batch * channels, length), N_FFT, HOP, window=window, return_complex=True)
    return torch.view_as_real(u).permute(0, 3, 1, 2).reshape(batch, 2 * channels, *u.shape[1:])


def istft(u: Tensor, length: int) -> Tensor:
    """The inverse, ``(B, C, length)``."""
    batch, channels, height, width = u.shape
    parts = u.reshape(batch * channels // 2, 2, height, width).permute(0, 2, 3, 1).contiguous()
    x = torch.istft(torch.view_as_complex(parts), N_FFT, HOP, window=torch.hann_window(N_FFT), length=length)
    return x.reshape(batch, channels // 2, length)


class ResidualBlock(nn.Module):
    """``x + conv1x1(LeakyReLU(BN(conv3x3(LeakyReLU(x)))))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the correction to ``(B, width, H, W)``."""
        return x + self.layers(x)


def n_halvings(length: int) -> int:
    """``int(log2(rate))`` with ``rate = round(L / 2 / 8)``, at least one."""
    return max(1, int(math.log2(max(2, round(length / HOP / 8)))))


class Encoder(nn.Sequential):
    """``(B, 2C, 5, L//2 + 1)`` to ``(B, d, 5, W)``."""

    def __init__(self, n_channels: int, length: int, width: int) -> None:
        blocks: list[nn.Module] = []
        for i in range(n_halvings(length)):
            n_in = 2 * n_channels if i == 0 else width
            conv = nn.Conv2d(n_in, width, (3, 4), stride=(1, 2), padding=(1, 1), padding_mode="replicate")
            blocks += [conv, nn.BatchNorm2d(width), nn.LeakyReLU()]
        super().__init__(*blocks, *[ResidualBlock(width) for _ in range(4)])


class Decoder(nn.Module):
    """The mirror image: residual blocks, transposed convolutions, a bilinear resize to the STFT's size."""

    def __init__(self, n_channels: int, length: int, width: int) -> None:
        super().__init__()
        self.size = (N_FFT // 2 + 1, length // HOP + 1)
        blocks: list[nn.Module] = [ResidualBlock(width) for _ in range(4)]
        for _ in range(n_halvings(length) - 1):
            conv = nn.ConvTranspose2d(width, width, (3, 4), stride=(1, 2), padding=(1, 1))
            blocks += [conv, nn.BatchNorm2d(width), nn.LeakyReLU()]
        blocks.append(nn.ConvTranspose2d(width, 2 * n_channels, (3, 4), stride=(1, 2), padding=(1, 1)))
        self.layers = nn.Sequential(*blocks)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents ``(B, d, 5, W)`` to ``(B, 2C, 5, L//2 + 1)``."""
        return F.interpolate(self.layers(z), self.size, mode="bilinear", align_corners=False)


class Quantizer(nn.Module):
    """K codes kept by exponential moving averages (decay 0.9), straight-through gradient, commitment loss."""

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n_codes: int, dim: int, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        codes = torch.randn(n_codes, dim)
        self.register_buffer("codes", codes)
        self.register_buffer("counts", torch.ones(n_codes))
        self.register_buffer("sums", codes.clone())

    def tokens(self, z: Tensor, stochastic: bool = False) -> Tensor:
        """``(B, d, H, W)`` to indices ``(B, H W)``; stochastic: softmax of negative squared distances."""
        vectors = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        distances = torch.cdist(vectors, self.codes) ** 2
        drawn = torch.multinomial(torch.softmax(-distances, dim=1), 1) if stochastic else distances.argmin(1)
        return drawn.reshape(len(z), -1)

    def embed(self, tokens: Tensor, height: int) -> Tensor:
        """Indices ``(B, N)`` to ``(B, d, H, W)``."""
        vectors = self.codes[tokens]
        return vectors.reshape(len(tokens), height, -1, vectors.shape[-1]).permute(0, 3, 1, 2)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Quantized latents of ``z`` and the commitment loss; moves the codes in training mode."""
        indices = self.tokens(z)
        quantized = self.embed(indices, z.shape[2])
        if self.training:
            self._update(z, indices)
        commitment = F.mse_loss(z, quantized)
        return z + (quantized - z).detach(), commitment

    @torch.no_grad()
    def _update(self, z: Tensor, indices: Tensor) -> None:
        vectors = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        one_hot = F.one_hot(indices.reshape(-1), len(self.codes)).float()
        self.counts.mul_(self.decay).add_(one_hot.sum(0), alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(one_hot.T @ vectors, alpha=1 - self.decay)
        smoothed = (self.counts + 1e-5) / (self.counts.sum() + len(self.counts) * 1e-5) * self.counts.sum()
        self.codes.copy_(self.sums / smoothed[:, None])


class StageOne(nn.Module):
    """Tokenizer and its training step. ssl: ``none`` (naive), ``barlowtwins`` or ``vibcreg``."""

    def __init__(
        self,
        n_channels: int,
        length: int,
        ssl: str = "none",
        width: int = 64,
        projection: int = 4096,
        steps: int = 1000,
    ) -> None:
        super().__init__()
        self.length, self.ssl = length, ssl
        self.encoder = Encoder(n_channels, length, width)
        self.decoder = Decoder(n_channels, length, width)
        self.quantizer = Quantizer(32, width)
        if ssl != "none":
            self.projector = Projector(2 * width, projection, whiten=ssl == "vibcreg")
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=1e-3)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def reconstruction_loss(self, z: Tensor, x: Tensor, u: Tensor) -> Tensor:
        """``MSE(x, x̂) + MSE(u, û)`` of the decoded latent."""
        u_hat = self.decoder(z)
        return F.mse_loss(istft(u_hat, self.length), x) + F.mse_loss(u_hat, u)

    def project(self, z: Tensor) -> Tensor:
        """Average and maximum over the grid, then the projector."""
        return self.projector(torch.cat([z.mean((2, 3)), z.amax((2, 3))], dim=1))

    def loss(self, x: Tensor, view: Tensor | None = None) -> Tensor:
        """Sum of the terms of stage 1; ``view`` is the augmented batch of the non-contrastive model."""
        u = stft(x)
        z = self.encoder(u)
        quantized, commitment = self.quantizer(z)
        loss = self.reconstruction_loss(quantized, x, u) + commitment
        if self.ssl == "none":
            return loss
        assert view is not None
        u_view = stft(view)
        z_view = self.encoder(u_view)
        ssl_loss = barlow_twins if self.ssl == "barlowtwins" else vibcreg
        loss = loss + 0.1 * self.reconstruction_loss(z_view, view, u_view)
        return loss + ssl_loss(self.project(quantized), self.project(z_view))

    def step(self, x: Tensor, view: Tensor | None = None) -> float:
        """One optimisation step on ``(B, C, L)``; returns the loss."""
        self.train()
        self.optimizer.zero_grad()
        loss = self.loss(x, view)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    @torch.no_grad()
    def encode(self, x: Tensor, stochastic: bool = False) -> Tensor:
        """Tokens ``(B, N)``."""
        self.eval()
        return self.quantizer.tokens(self.encoder(stft(x)), stochastic)

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Series ``(B, C, L)``."""
        self.eval()
        return istft(self.decoder(self.quantizer.embed(tokens, N_FFT // 2 + 1)), self.length)
