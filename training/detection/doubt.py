"""What doubtful samples are best taken for: `python -m declipper.training.detection.doubt CORPUS --solos SOLOS` writes doubt.md.

Pieces of the validation split go through some of the trials and are restored by the model `fast`: with several thresholds of the likelihood
from which a sample is restored, and with what is restored and what was heard mixed where the likelihood is low.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from declipper.clipping.arrays import Array
from declipper.detection.marks import MARKED, SEED, marked
from declipper.detection.network import ClippingNetwork, JudgedStream
from declipper.engine.session import Session
from declipper.engine.stream import declip
from declipper.training.data.degrade import sdr
from declipper.training.detection.judge import with_mask
from declipper.training.histories.recording import Recording
from declipper.training.histories.sources import Material, stretch
from declipper.training.histories.trials import TRIALS, tried

INPUT_SDRS = (10.0, 20.0)
CHOSEN = ("44.1 -> 48 kHz", "MP3 128k, 16", "Vorbis q4, 16", "20 Hz", "80 Hz", "AGC 6 dB/s, 16", "compressor", "IMA", "GSM")
"""Beginnings of the names of the trials."""
THRESHOLDS = ((0.06, 0.12), (0.12, 0.25), (0.16, 0.5), (0.2, 0.4), (0.3, 0.5))
"""Pairs of MARKED and SEED."""
MIXES: dict[str, Callable[[Array], Array]] = {
    "the restored sample, whatever its likelihood": np.ones_like,
    "in proportion to the likelihood": lambda p: p,
    "in proportion up to a likelihood of 0.5, all from there": lambda p: np.minimum(1, 2 * p),
    "in proportion up to a likelihood of 0.25, all from there": lambda p: np.minimum(1, 4 * p),
}
"""Shares of what is restored, by likelihood; the rest is what was heard."""


def pieces(corpus: Path, solos: Path, seconds: float) -> Iterator[tuple[Array, int]]:
    """Two stretches of music, one of an instrument and one of speech, each with its sample rate, in Hz."""
    rng = np.random.default_rng(4)
    validation, train = Material.of(corpus, "validation", solos), Material.of(corpus, "train")
    for path in [*rng.choice(np.array(validation.music, object), 2), validation.solos[rng.integers(len(validation.solos))]]:
        yield stretch(path, seconds, rng)
    spoken = Material(train.music, train.speech, [])
    audio, rate = next((audio, rate) for audio, rate, kind in iter(lambda: spoken.draw(seconds, rng), None) if kind == "speech")
    yield audio, rate


def likelihood_of(y: Array, network: ClippingNetwork) -> Array:
    """Of each sample of a signal (frames,)."""
    stream = JudgedStream(1, network)
    return np.concatenate([judged.likelihood[:, 0] for judged in [*stream.push(y[:, None]), *stream.flush()]])


def gains(one: Recording, network: ClippingNetwork, session: Session) -> tuple[list[float], list[float]]:
    """dSDR in dB for each of THRESHOLDS and each of MIXES."""
    y = one.y.astype(np.float32)
    likelihood, before = likelihood_of(y, network), sdr(one.original, one.y)
    restored = {}
    for threshold, seed in THRESHOLDS:
        mask = marked(y, likelihood, threshold=threshold, seed=seed)
        restored[threshold, seed] = declip(y, one.rate, levels=with_mask(one, mask), session=session)
    usual = restored[MARKED, SEED]
    mixed = [y + mix(likelihood) * (usual - y) for mix in MIXES.values()]
    return tuple([sdr(one.original, v) - before for v in those] for those in (restored.values(), mixed))  # type: ignore[return-value]


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--solos", type=click.Path(path_type=Path, exists=True), required=True, help="A folder that declipper.training.data.solo filled."
)
@click.option("--detector", "model", type=click.Path(path_type=Path), help="A detector file; usual: the shipped one.")
@click.option("--seconds", default=3.0, show_default=True, help="Of each piece.")
def main(corpus: Path, solos: Path, model: Path | None, seconds: float) -> None:
    """Measure, and write doubt.md."""
    session, network = Session("fast", "cpu"), ClippingNetwork(model)
    trials = [t for t in TRIALS if t.name.startswith(CHOSEN)]
    by_threshold, by_mix = [], []
    for trial in trials:
        for audio, rate in pieces(corpus, solos, seconds):
            one = [gains(tried(trial, audio, rate, input_sdr), network, session) for input_sdr in INPUT_SDRS]
            by_threshold.append([thresholds for thresholds, _ in one])
            by_mix.append([mixes for _, mixes in one])
        click.echo(
            f"{trial.name}: {np.round(np.mean(by_threshold[-4:], axis=0), 2).tolist()} {np.round(np.mean(by_mix[-4:], axis=0), 2).tolist()}"
        )
    text = INTRODUCTION.format(trials=len(trials), seconds=seconds)
    names = [f"{threshold:g}, one of them from {seed:g}" for threshold, seed in THRESHOLDS]
    text += table("restored from a likelihood of", names, np.mean(by_threshold, axis=0))
    text += MIXED + table("share of what is restored", list(MIXES), np.mean(by_mix, axis=0))
    (Path(__file__).parent / "doubt.md").write_text(text)


def table(head: str, names: list[str], means: Array) -> str:
    """Rows of mean gains (input SDRs, rows)."""
    lines = [f"| {head} | {' | '.join(f'{v:g} dB' for v in INPUT_SDRS)} | mean |", "|---|" + "---|" * (len(INPUT_SDRS) + 1)]
    lines += [f"| {name} | {' | '.join(f'{v:.2f}' for v in row)} | {row.mean():.2f} |" for name, row in zip(names, means.T, strict=True)]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Samples that may have been clipped

Made by `python -m declipper.training.detection.doubt`: four pieces of {seconds:g} s of the validation split go through {trials} of the
histories and are restored by `fast`. Mean dSDR in dB at two input SDRs. A run of samples is restored that all have the first likelihood,
and at least one the second.

"""
MIXED = """
With the usual pair, what is restored may be mixed with what was heard, where the likelihood is low. A sample of likelihood 0.5 is then
neither kept nor freed.

"""

if __name__ == "__main__":
    main()
