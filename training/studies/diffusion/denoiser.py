"""A diffusion model of audio: a 2-D U-Net that finds the noise in short-time spectra.

The noise always has a deviation of 1, and signals come at any scale instead: noise of deviation s in x is removed as s D(x / s).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import Estimator
from declipper.training.model.planar import PlanarUNet

WINDOW = 254
"""Samples of a window of the spectrum, which so has 128 bins."""
HOP = 64
"""Samples from one window to the next."""
FRAMES = 126 * HOP
"""Samples of a signal, 0.37 s at 22.05 kHz: what a small network can see. The other networks divide it by 128."""
CHANNELS = (16, 32, 64)
"""Of the network: what two cores can train."""


def network(channels: tuple[int, ...] = CHANNELS) -> PlanarUNet:
    """It sees real and imaginary part, divided by the size of the signal, and the logarithm of that everywhere."""
    return PlanarUNet(channels, inputs=3, outputs=2)


def estimator(net: PlanarUNet) -> Estimator:
    """D: signals (batch, frames) with noise of deviation 1 to signals without it."""
    window = torch.hann_window(WINDOW)
    unit = window.square().sum().sqrt()  # the root mean square of the noise's spectrum

    def f(y: Tensor, levels: Levels | None = None) -> Tensor:
        parts = torch.view_as_real(torch.stft(y, WINDOW, HOP, window=window, return_complex=True) / unit).permute(0, 3, 1, 2)
        size = y.square().mean(1).sqrt()[:, None, None, None]
        seen = torch.cat([parts / size, size.log().expand_as(parts[:, :1])], dim=1)
        padded = nn.functional.pad(seen, (0, -parts.shape[-1] % net.stride))
        noise = net(padded)[..., : parts.shape[-1]].permute(0, 2, 3, 1).contiguous()
        return y - torch.istft(unit * torch.view_as_complex(noise), WINDOW, HOP, window=window, length=y.shape[-1])

    return f
