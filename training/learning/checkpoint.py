"""Where training stands, and the file that it is resumed from (safetensors)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from declipper.errors import DeclipperError

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What Adam keeps of each parameter, beside the number of steps."""


@dataclass
class State:
    """Where training stands: the network, the average of its weights over the last steps, the best such average and its score in dB."""

    net: nn.Module
    average: nn.Module
    best: nn.Module
    optimizer: torch.optim.Adam
    step: int = 0
    minutes: float = 0.0
    best_score: float = -math.inf
    best_step: int = 0

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Let the average follow the network: it keeps `decay` of itself."""
        for mean, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)

    def networks(self) -> dict[str, nn.Module]:
        """The three by the name that they have in a checkpoint."""
        return {"net": self.net, "average": self.average, "best": self.best}


def save(path: Path, state: State, *, tell: Callable[[str], None]) -> None:
    """Write a checkpoint of a `kinds.Network` whole or not at all: on a full disk the last good one stays, and `tell` says so."""
    tensors = {f"{name}/{key}": v.contiguous() for name, net in state.networks().items() for key, v in net.state_dict().items()}
    for key, parameter in state.net.named_parameters():
        for moment, value in state.optimizer.state[parameter].items():
            tensors[f"adam/{moment}/{key}"] = value.contiguous()
    record = {"shape": state.net.shape.written(), "step": str(state.step), "minutes": str(state.minutes)}
    part = path.with_suffix(".part")
    try:
        save_file(tensors, part, metadata=record | {"best": str(state.best_score), "best_step": str(state.best_step)})
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, SafetensorError) as error:
        tell(f"warning: checkpoint not written ({error}); the last good one is kept, training goes on")
    finally:
        part.unlink(missing_ok=True)


def load(path: Path, state: State) -> None:
    """Read a checkpoint into place. Raises DeclipperError when it is broken or belongs to another network."""
    try:
        with safe_open(path, "pt") as file:
            record = file.metadata()
            if record["shape"] != state.net.shape.written():
                raise DeclipperError(f"{path}: checkpoint of another network ({record['shape']}); delete it or leave out --resume")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state.step, state.minutes = int(record["step"]), float(record["minutes"])
        state.best_score, state.best_step = float(record["best"]), int(record["best_step"])
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise DeclipperError(f"{path}: broken checkpoint ({error}); delete it or leave out --resume") from error
    for name, net in state.networks().items():
        net.load_state_dict({k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")})
    for key, parameter in state.net.named_parameters():
        if f"adam/step/{key}" in tensors:
            moments = {moment: tensors[f"adam/{moment}/{key}"].to(parameter.device) for moment in MOMENTS}
            state.optimizer.state[parameter] = {"step": tensors[f"adam/step/{key}"], **moments}
