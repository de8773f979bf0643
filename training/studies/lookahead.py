"""What a limited look-ahead and a short latency cost: `python -m declipper.training.studies.lookahead CORPUS` writes lookahead.{md,png}.

The excerpts of the evaluation, clipped at a known level, restored with ever more of the future, and then by the framing of the live
monitor. The levels are known, so that only the windows differ.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
from torch import nn

from declipper import ClipLevels, DeclipStream, Session
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.engine.framing import Framing
from declipper.engine.session import shipped_model
from declipper.live.chain import SHARE
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.evaluate import adeclip, excerpts
from declipper.training.model.export import load
from declipper.training.model.network import UNet

HERE = Path(__file__).parent
LOOKAHEADS_MS = (5, 10, 20, 40, 80, 160)
UNLIMITED_MS = 1000
LATENCIES_MS = (20, 40, 80)
LONGEST_HOP_MS = 40
PAST = 2048
"""Frames of the past at 44.1 kHz, at least."""
INPUT_SDRS = (10, 20)
SECONDS = 2.5


def multiplications(net: UNet) -> int:
    """Per sample, in the convolutions."""
    count, frames = [0], 64 * net.stride

    def note(layer: nn.Module, inputs: tuple[Array], output: Array) -> None:
        assert isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
        positions = inputs[0].shape[-1] if isinstance(layer, nn.ConvTranspose1d) else output.shape[-1]
        count[0] += layer.weight.numel() * positions

    for layer in net.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            layer.register_forward_hook(note)
    net(next(net.parameters()).new_zeros(1, net.shape["inputs"], frames))
    return count[0] // frames


def framing(session: Session, sample_rate: int, lookahead_ms: float) -> Framing:
    """As long a hop as look-ahead, up to LONGEST_HOP_MS; the model's own window where that leaves enough of the past."""
    lookahead = int(lookahead_ms / 1000 * sample_rate)
    hop = min(lookahead, int(LONGEST_HOP_MS / 1000 * sample_rate))
    least = max(session.info.windows.window, PAST + hop + lookahead)
    window = -(-least // session.info.multiple) * session.info.multiple
    return Framing(window - hop - lookahead, hop, lookahead, hop // 4)


def gain(x: Array, sample_rate: int, input_sdr: float, session: Session, frames: Framing) -> tuple[float, float]:
    """dSDR in dB, and CPU seconds per second."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)[:, None]
    started = time.process_time()
    with DeclipStream(sample_rate, 1, ClipLevels.constant(mu, -mu), session, framing=frames) as stream:
        restored = np.concatenate([stream.push(y), stream.flush()])
    return sdr(x, restored[:, 0]) - sdr(x, y[:, 0]), (time.process_time() - started) / (len(x) / sample_rate)


def of_adeclip(x: Array, sample_rate: int, input_sdr: float) -> float:
    """dSDR in dB of the tuned adeclip on the same excerpt."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)
    return sdr(x, adeclip(y / mu / 2, sample_rate) * mu * 2) - sdr(x, y)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped `live`.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE, help="Where lookahead.md and lookahead.png go.")
def main(corpus: Path, model: Path | None, results: Path) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.data.corpus."""
    path = model or shipped_model("live")
    session = Session(path, "cpu")
    chosen = [(x[: int(SECONDS * rate)], rate) for _, _, x, rate in excerpts(corpus)]

    def measured(frames: list[Framing]) -> tuple[list[float], list[float]]:
        found = [[gain(x, r, s, session, f) for (x, r), f in zip(chosen, frames, strict=True)] for s in INPUT_SDRS]
        return [float(np.mean([dsdr for dsdr, _ in row])) for row in found], [float(np.mean([cpu for _, cpu in row])) for row in found]

    ahead = {ms: measured([framing(session, rate, ms) for _, rate in chosen]) for ms in (*LOOKAHEADS_MS, UNLIMITED_MS)}
    live = {ms: measured([Framing.live(session.info, rate, int(SHARE * ms / 1000 * rate)) for _, rate in chosen]) for ms in LATENCIES_MS}
    rival = [float(np.mean([of_adeclip(x, rate, s) for x, rate in chosen])) for s in INPUT_SDRS]
    whole, _ = ahead[UNLIMITED_MS]
    per_sample = multiplications(load(path))

    text = "# What a limited look-ahead costs\n\nMade by `python -m declipper.training.studies.lookahead`: model "
    text += f"`{session.info.name}`, {len(chosen)} excerpts of {SECONDS:g} s of the test split, mono, level known. Its network takes "
    text += f"{per_sample:,} multiplications per sample of a window, {per_sample * 44100 / 1e6:.0f} million per second of audio at 44.1 "
    text += "kHz before windows overlap. CPU seconds are per second of audio.\n\n## Look-ahead\n\n"
    text += f"The hop is as long as the look-ahead, {LONGEST_HOP_MS} ms at most; the window is the model's own, or as long as it takes to "
    text += f"see {1000 * PAST / 44100:.0f} ms of the past.\n\n"
    text += table("look-ahead", {f"{ms} ms" if ms != UNLIMITED_MS else "1 s": row for ms, row in ahead.items()}, whole)
    text += f"\n## Latency\n\n`declipper live --latency`: {100 * SHARE:.0f} % of it are hop and look-ahead, the rest is the worker's time; "
    text += "the window sees little of the past.\n\n"
    text += table("latency", {f"{ms} ms": row for ms, row in live.items()}, whole)
    text += f"\nffmpeg's adeclip, tuned, on the same excerpts: {' and '.join(f'{r:.2f}' for r in rival)} dB.\n"
    (results / "lookahead.md").write_text(text)
    draw(ahead, live, results / "lookahead.png")
    click.echo(text)


def table(title: str, rows: dict[str, tuple[list[float], list[float]]], whole: list[float]) -> str:
    """A Markdown table of dSDR, the share of it that is kept, and CPU."""
    titles = [f"{name} at {level} dB" for name in ("dSDR", "share kept", "CPU") for level in INPUT_SDRS]
    text = f"| {title} | " + " | ".join(titles) + " |\n|---" + "|---" * len(titles) + "|\n"
    for name, (figures, costs) in rows.items():
        cells = [f"{f:.2f}" for f in figures] + [f"{100 * f / w:.0f} %" for f, w in zip(figures, whole, strict=True)]
        text += f"| {name} | " + " | ".join(cells + [f"{c:.3f}" for c in costs]) + " |\n"
    return text


def draw(ahead: dict[int, tuple[list[float], list[float]]], live: dict[int, tuple[list[float], list[float]]], path: Path) -> None:
    """dSDR against look-ahead, and against CPU seconds per second for the latencies of the monitor."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for index, level in enumerate(INPUT_SDRS):
        left.semilogx(list(ahead), [row[0][index] for row in ahead.values()], "o-", label=f"{level} dB input SDR")
        right.plot([row[1][index] for row in live.values()], [row[0][index] for row in live.values()], "o-")
        for ms, (figures, costs) in live.items():
            right.annotate(f"{ms} ms", (costs[index], figures[index]), textcoords="offset points", xytext=(4, 4), fontsize=8)
    left.set(xlabel="look-ahead, ms", ylabel="dSDR, dB")
    left.legend()
    right.set(xlabel="CPU seconds per second, mono, by latency", ylabel="dSDR, dB")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
