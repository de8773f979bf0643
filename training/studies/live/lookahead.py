"""What little look-ahead and a short latency cost: `python -m declipper.training.studies.live.lookahead CORPUS` writes lookahead.{md,png}.

The excerpts of the evaluation, clipped at a known level, are restored by the framing of the live monitor (`Framing.live`), first at its
usual latency with less and more of the future than it takes, then as it is at several latencies. The levels are known, so that only the
windows differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
from torch import nn

from declipper import ClipLevels, DeclipStream, Session
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.clipping.windows import at_rate
from declipper.engine.framing import PAST, Framing
from declipper.engine.session import shipped_model
from declipper.live.chain import SHARE
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.evaluate import adeclip, excerpts
from declipper.training.model.export import load
from declipper.training.model.network import UNet

RESULTS = Path(__file__).parents[1] / "results"
LOOKAHEADS_MS = (1, 2, 5, 10, 20, 40, 80)
"""From a fifth of a period of 200 Hz to the usual latency itself."""
USUAL_MS = 80
"""The usual latency of the monitor (`declipper live --latency`)."""
LATENCIES_MS = (20, 40, 80)
"""From the shortest that is of use to the usual one."""
INPUT_SDRS = (10, 20)
"""In dB: much and little clipped."""
SECONDS = 2.5
"""Of each excerpt: the study takes a few minutes."""
Outcome = tuple[list[float], list[float]]
"""Mean dSDR in dB and CPU seconds per second of audio, at each input SDR."""


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
    net(next(net.parameters()).new_zeros(1, net.shape.inputs, frames))
    return count[0] // frames


def monitored(session: Session, sample_rate: int, latency_ms: float) -> Framing:
    """The framing of `declipper live` at a latency."""
    return Framing.live(session.info, sample_rate, int(SHARE * latency_ms / 1000 * sample_rate))


def looking_ahead(session: Session, sample_rate: int, lookahead_ms: float) -> Framing:
    """The framing of the monitor at its usual latency, but with another look-ahead: the same hop, and no less of the past."""
    usual = monitored(session, sample_rate, USUAL_MS)
    lookahead = int(lookahead_ms / 1000 * sample_rate)
    multiple = session.info.multiple
    window = -(-(at_rate(PAST, sample_rate) + usual.hop + lookahead) // multiple) * multiple
    return Framing(window - usual.hop - lookahead, usual.hop, lookahead, min(usual.hop, lookahead) // 4)


def gain(x: Array, sample_rate: int, *, input_sdr: float, session: Session, framing: Framing) -> tuple[float, float]:
    """dSDR in dB, and CPU seconds per second."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)[:, None]
    started = time.process_time()
    stream = DeclipStream(sample_rate, 1, ClipLevels.constant(mu, -mu), session, framing=framing)
    restored = np.concatenate([stream.push(y), stream.flush()])
    return sdr(x, restored[:, 0]) - sdr(x, y[:, 0]), (time.process_time() - started) / (len(x) / sample_rate)


def of_adeclip(x: Array, sample_rate: int, *, input_sdr: float) -> float:
    """dSDR in dB of the tuned adeclip on the same excerpt."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)
    return sdr(x, adeclip(y / mu / 2, sample_rate) * mu * 2) - sdr(x, y)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped `live`.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where lookahead.md and lookahead.png go.")
def main(corpus: Path, model: Path | None, results: Path) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.data.corpus."""
    path = model or shipped_model("live")
    session = Session(path, "cpu")
    chosen = [(e.audio[: int(SECONDS * e.sample_rate)], e.sample_rate) for e in excerpts(corpus)]

    def measured(framing: Callable[[Session, int, float], Framing], ms: float) -> Outcome:
        found = [
            [gain(x, rate, input_sdr=level, session=session, framing=framing(session, rate, ms)) for x, rate in chosen]
            for level in INPUT_SDRS
        ]
        return [float(np.mean([dsdr for dsdr, _ in row])) for row in found], [float(np.mean([cpu for _, cpu in row])) for row in found]

    ahead = {ms: measured(looking_ahead, ms) for ms in LOOKAHEADS_MS}
    live = {ms: measured(monitored, ms) for ms in LATENCIES_MS}
    rival = [float(np.mean([of_adeclip(x, rate, input_sdr=level) for x, rate in chosen])) for level in INPUT_SDRS]
    usual = monitored(session, 44100, USUAL_MS)
    per_sample = multiplications(load(path))

    text = "# What a limited look-ahead costs\n\nMade by `python -m declipper.training.studies.live.lookahead`: model "
    text += f"`{session.info.name}`, {len(chosen)} excerpts of {SECONDS:g} s of the test split, mono, level known. Its network takes "
    text += f"{per_sample:,} multiplications per sample of a window, {per_sample * 44100 / 1e6:.0f} million per second of audio at 44.1 "
    text += "kHz before windows overlap. CPU seconds are per second of audio.\n\n## Look-ahead\n\n"
    text += f"Of the monitor at its usual latency of {USUAL_MS} ms the hop, {1000 * usual.hop / 44100:.0f} ms, and the past that a window "
    text += f"sees, {1000 * PAST / 44100:.0f} ms at least. Its own look-ahead is {1000 * usual.lookahead / 44100:.1f} ms.\n\n"
    text += table("look-ahead", {f"{ms} ms": row for ms, row in ahead.items()})
    text += f"\n## Latency\n\n`declipper live --latency`: {100 * SHARE:.0f} % of it are hop and look-ahead, "
    text += "the rest is the worker's time.\n\n"
    text += table("latency", {f"{ms} ms": row for ms, row in live.items()})
    text += f"\nffmpeg's adeclip, tuned, on the same excerpts: {' and '.join(f'{r:.2f}' for r in rival)} dB.\n"
    (results / "lookahead.md").write_text(text)
    draw(ahead, live, path=results / "lookahead.png")
    click.echo(text)


def table(title: str, rows: dict[str, Outcome]) -> str:
    """A Markdown table of dSDR and CPU."""
    titles = [f"{name} at {level} dB" for name in ("dSDR", "CPU") for level in INPUT_SDRS]
    text = f"| {title} | " + " | ".join(titles) + " |\n|---" + "|---" * len(titles) + "|\n"
    for name, (figures, costs) in rows.items():
        text += f"| {name} | " + " | ".join([f"{f:.2f}" for f in figures] + [f"{c:.3f}" for c in costs]) + " |\n"
    return text


def draw(ahead: dict[int, Outcome], live: dict[int, Outcome], *, path: Path) -> None:
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
