"""Rivals that never learn from saturated images: biharmonic inpainting, and a denoiser plugged into half-quadratic splitting."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn

from declipper.clipping.arrays import Array
from declipper.training.studies.hdr.camera import LEVELS, STEPS
from declipper.training.studies.hdr.splitting import proximal

NOISES = np.geomspace(0.5, 1 / STEPS, 24)
"""Standard deviations that the plugged-in denoiser stands for, round by round, down to the rounding of the camera. Chosen by hand."""


def biharmonic(y: Array) -> Array:
    """Images (count, 3, height, width) whose saturated pixels are filled as smoothly as can be, but never below the level of 1."""
    return np.stack([np.stack([_filled(plane) for plane in image]) for image in y])


def _filled(plane: Array) -> Array:
    """The saturated pixels for which the sum of squares of the Laplacian over the plane is least."""
    lost = (plane >= 1).ravel()
    if not lost.any() or lost.all():
        return plane
    height, width = plane.shape
    laplacian = sp.kronsum(_second_difference(width), _second_difference(height), format="csc")
    system = laplacian[:, lost]
    filled = plane.astype(np.float64).ravel()
    filled[lost] = np.maximum(spsolve((system.T @ system).tocsc(), -system.T @ (laplacian[:, ~lost] @ filled[~lost])), 1)
    return filled.reshape(plane.shape).astype(np.float32)


def _second_difference(count: int) -> sp.spmatrix:
    """Along one axis, with mirrored borders: (count, count)."""
    main = np.full(count, -2.0)
    main[[0, -1]] = -1
    return sp.diags([np.ones(count - 1), main, np.ones(count - 1)], [-1, 0, 1])


@torch.no_grad()
def plugged_in(denoiser: nn.Module, y: Tensor) -> Tensor:
    """Plug-and-play splitting (Zhang et al., IEEE TPAMI 44, 2022): denoise, then obey the measurement, with less noise every round.

    denoiser: says what to add to a noisy image (batch, 3, height, width), without being told how noisy it is.
    """
    x = y
    for noise in NOISES:
        x = proximal(x + denoiser(x), y, weight=float((noise * STEPS) ** 2), levels=LEVELS)
    return x
