"""Short-time spectra as two small matrix products, which any runtime of networks does fast, and the way back.

Windows of WINDOW = N samples overlap by half; their half-sine fades, applied before and after, add to one in square. The bins lie half
a bin higher than those of the usual Fourier transform: then a real window has N / 2 complex bins that are all alike, and the transform
is orthogonal. It is computed in two steps (Cooley and Tukey, 1965): with n = 32 a + b and k = c + 32 d,

    X_k = sum_b e^(-2 pi i d b / 32) e^(-2 pi i b (c + 1/2) / N) sum_a e^(-2 pi i a (c + 1/2) / 32) x_n,

which takes an eighth of the multiplications of one large matrix.

Spectra are tensors (batch, signals, 2, windows, bins): real parts, then imaginary parts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

ROOT = 32
"""Rows and columns that a window is folded into."""
WINDOW = ROOT**2
"""Frames of a window, whatever the sample rate: 23 ms at 44.1 kHz, where the experts' own long windows tell partials apart, and 64 ms at
16 kHz."""
HOP = WINDOW // 2
"""Frames from one window to the next."""
BINS = WINDOW // 2
"""Of a spectrum."""


class ShortTime(nn.Module):
    """The transform of signals, (batch, signals, time), `time` a multiple of HOP, to their spectra, time / HOP + 1 windows, and back."""

    fade: Tensor
    columns: Tensor
    turns: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        a = np.arange(ROOT)
        columns = np.exp(-2j * np.pi * np.outer(a + 0.5, a) / ROOT)
        turns = np.exp(-2j * np.pi * np.outer(a + 0.5, a) / WINDOW)
        rows = np.exp(-2j * np.pi * np.outer(a, a[: ROOT // 2]) / ROOT) * np.sqrt(2 / WINDOW)
        constants = {
            "fade": np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW),
            "columns": np.concatenate([columns.real, columns.imag]),
            "turns": np.stack([turns.real, turns.imag]),
            "rows": np.block([[rows.real, rows.imag], [-rows.imag, rows.real]]),
        }
        for name, constant in constants.items():
            self.register_buffer(name, torch.from_numpy(constant.astype(np.float32)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """To spectra, in float32 whatever the precision of the network around it."""
        with torch.autocast(x.device.type, enabled=False):
            return self._spectra(x)

    def back(self, spectra: Tensor) -> Tensor:
        """The signals of which these are the spectra, or that come nearest to it."""
        with torch.autocast(spectra.device.type, enabled=False):
            return self._signals(spectra)

    def _spectra(self, x: Tensor) -> Tensor:
        batch, signals = int(x.shape[0]), int(x.shape[1])
        edge = 0 * x[:, :, :HOP]
        halves = torch.cat([edge, x, edge], dim=2).reshape(batch, signals, -1, HOP)
        windows = torch.cat([halves[:, :, :-1], halves[:, :, 1:]], dim=3) * self.fade
        real, imaginary = torch.matmul(self.columns, windows.reshape(batch, signals, -1, ROOT, ROOT)).split(ROOT, dim=3)
        cosine, sine = self.turns[0], self.turns[1]
        turned = torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], dim=4)
        spectra = torch.matmul(turned, self.rows).reshape(batch, signals, -1, ROOT, 2, ROOT // 2)
        return spectra.permute(0, 1, 4, 2, 5, 3).reshape(batch, signals, 2, -1, BINS)

    def _signals(self, spectra: Tensor) -> Tensor:
        batch, signals = int(spectra.shape[0]), int(spectra.shape[1])
        folded = spectra.reshape(batch, signals, 2, -1, ROOT // 2, ROOT).permute(0, 1, 3, 5, 2, 4).reshape(batch, signals, -1, ROOT, ROOT)
        real, imaginary = torch.matmul(folded, self.rows.transpose(0, 1)).split(ROOT, dim=4)
        cosine, sine = self.turns[0], self.turns[1]
        turned = torch.cat([real * cosine + imaginary * sine, imaginary * cosine - real * sine], dim=3)
        windows = torch.matmul(self.columns.transpose(0, 1), turned).reshape(batch, signals, -1, WINDOW)
        first, second = (windows * self.fade).split(HOP, dim=3)
        return (second[:, :, :-1] + first[:, :, 1:]).reshape(batch, signals, -1)


def along(spectra: Tensor, others: Tensor) -> Tensor:
    """The scalar products of spectra in each bin, (batch, signals, windows, bins)."""
    return (spectra * others).sum(2)


def power(spectra: Tensor) -> Tensor:
    """The squared magnitude of each bin, (batch, signals, windows, bins)."""
    return spectra.square().sum(2)
