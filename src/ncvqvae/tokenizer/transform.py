"""What stands before the encoder and behind the decoder: from series to values over frequency and time, and back."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Transform(nn.Module):
    """Interface of a transform with an exact inverse.

    Attributes:
        n_timepoints: length T of every series.
        n_parts: values for each channel, row and frame.
        n_rows: frequency rows, the lowest first.
        n_frames: frames in time.
        n_before, n_behind: time steps before and behind the series that frames stand for as well.
    """

    n_timepoints: int
    n_parts: int
    n_rows: int
    n_frames: int
    n_before: int = 0
    n_behind: int = 0

    def forward(self, x: Tensor) -> Tensor:
        """Series (B, C, T) to spectrogram (B, parts C, rows, frames)."""
        raise NotImplementedError

    def observed_share(self, observed: Tensor) -> Tensor:
        """How far each frame rests on observed steps (True in B C T), from 0 to 1: (B, parts C, 1, frames)."""
        raise NotImplementedError

    def time_of_frames(self, values: Tensor) -> Tensor:
        """Values of time steps (B, T) on all the time that the frames share evenly: (B, before + T + behind).

        The first and the last value go on before and behind the series.
        """
        return F.pad(values.float()[:, None], (self.n_before, self.n_behind), mode="replicate")[:, 0]

    def inverse(self, u: Tensor) -> Tensor:
        """Spectrogram (B, parts C, rows, frames) to series (B, C, T)."""
        raise NotImplementedError
