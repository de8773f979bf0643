"""What the network would find and cost in `declipper live`: `python -m declipper.training.detection.causal CORPUS` writes causal.md.

In place of the tracker, the network would judge each hop from a window that ends with the look-ahead of live audio. Its marks are compared
with those that it makes with all the future it wants, by what the model `fast` gains under both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from declipper.clipping.arrays import Array
from declipper.detection.marks import marked
from declipper.detection.network import ClippingNetwork
from declipper.engine.session import Session
from declipper.training.detection.doubt import likelihood_of
from declipper.training.detection.judge import gain, pieces, with_mask
from declipper.training.histories.trials import TRIALS, tried

INPUT_SDR = 12.0
CHOSEN = ("44.1 -> 48 kHz", "MP3 128k, 16", "Vorbis q4, 16", "20 Hz", "AGC 6 dB/s, 48")
"""Beginnings of the names of the trials."""
HOP_SECONDS, AHEAD_SECONDS = 0.0384, 0.0096
"""Of `declipper live` at its usual latency of 80 ms."""
WINDOWS = (4096, 8192, 16384)


@dataclass(frozen=True)
class Judgement:
    """How likely each sample (frames,) was clipped, and the CPU seconds that one hop takes."""

    likelihood: Array
    hop_seconds: float


def causal(y: Array, rate: int, window: int, network: ClippingNetwork) -> Judgement:
    """y (frames,) judged hop by hop, each from the last frames of the past and the look-ahead."""
    hop, ahead = round(HOP_SECONDS * rate), round(AHEAD_SECONDS * rate)
    found, begun, hops = np.zeros(len(y), np.float32), time.process_time(), -(-len(y) // hop)
    for start in range(0, len(y), hop):
        stop = min(len(y), start + hop + ahead)
        first = max(0, stop - window)
        found[start : start + hop] = network.likelihood(y[first:stop])[start - first : start - first + hop]
    return Judgement(found, (time.process_time() - begun) / hops)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--detector", "model", type=click.Path(path_type=Path), help="A detector file; usual: the shipped one.")
def main(corpus: Path, model: Path | None) -> None:
    """Measure, and write causal.md."""
    session, network = Session("fast", "cpu"), ClippingNetwork(model)
    them = list(pieces(corpus))[::2]
    rows, costs = [], []
    for trial in (t for t in TRIALS if t.name.startswith(CHOSEN)):
        gains = []
        for piece in them:
            one = tried(trial, piece.samples, piece.sample_rate, INPUT_SDR)
            y = one.y.astype(np.float32)
            judged = [causal(y, one.rate, window, network) for window in WINDOWS]
            costs.append([j.hop_seconds for j in judged])
            masks = [marked(y, p) for p in (*(j.likelihood for j in judged), likelihood_of(y, network))]
            gains.append([gain(one, with_mask(one, mask), session) for mask in masks])
        rows.append(f"| {trial.name} | {' | '.join(f'{v:.1f}' for v in np.mean(gains, axis=0))} |")
        click.echo(rows[-1])
    shares = np.median(costs, axis=0) / HOP_SECONDS
    rows.append(f"| CPU of one core, for one channel | {' | '.join(f'{100 * v:.0f} %' for v in shares)} | |")
    head = f"| history, input SDR of {INPUT_SDR:g} dB | {' | '.join(f'{w} frames' for w in WINDOWS)} | all the future |"
    lines = [INTRODUCTION.format(pieces=len(them)), head, "|---|" + "---|" * (len(WINDOWS) + 1), *rows]
    (Path(__file__).parent / "causal.md").write_text("\n".join(lines) + "\n")


INTRODUCTION = """# The network in live audio

Made by `python -m declipper.training.detection.causal`: mean dSDR in dB of {pieces} pieces restored by `fast`, where the network judges
hops of 38 ms with 10 ms of look-ahead, as `declipper live` has them at a latency of 80 ms, from windows of so many frames. It is taken for
granted that the recording is clipped, which live would have to be found out as well.
"""

if __name__ == "__main__":
    main()
