"""Where the time of `best` and `fast` goes: CPU seconds of each stage for a second of audio, and what is gained.

`python -m declipper.training.judging.stages SHELF...` draws excerpts of music and of speech from shelves that
`declipper.training.data.shelf` made (of the validation and train splits: what is tuned by these figures must not see the test split), clips
each to several input SDRs, restores it as `declipper fix` would in one thread, and writes results/stages.md.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import scipy.fft

from declipper import Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.engine import recipes, stream
from declipper.methods import ar_equations, autoregressive, model_averaging
from declipper.methods.blas import one_blas_thread
from declipper.training.data.degrade import draw_segment, sdr, threshold_for_sdr
from declipper.training.data.shelf import Shelf

RESULTS = Path(__file__).parents[1] / "results"
INPUT_SDRS = 5, 10, 20, 30
"""In dB."""
SECONDS = 3
"""Of an excerpt: one window of the models."""
LEVEL = 0.5
"""That excerpts are clipped at."""
REST, OUTSIDE = "the rest", "outside"
"""What no stage of STAGES takes of a restoration, and what is no restoration."""
STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "detection": ((stream, "find_levels"),),
    "network": ((Session, "estimate"),),
    "Fourier transforms": ((scipy.fft, "rfft"), (scipy.fft, "irfft")),
    "social sparsity": ((recipes, "social_sparsity"),),
    "A-SPADE": ((recipes, "spade"),),
    "AR: filter (Levinson)": ((ar_equations, "error_filter"),),
    "AR: filter, all else": ((autoregressive, "fitted"),),
    "AR: setting up equations": ((autoregressive, "couplings"), (autoregressive, "normal_equations")),
    "AR: Cholesky": ((ar_equations, "dpbtrf"),),
    "AR: solutions and draws": ((autoregressive, "dpbtrs"), (autoregressive, "dtbtrs")),
    "AR: all else": ((model_averaging, "predicted"),),
    "truncated normals, averaging": (
        (autoregressive, "cavity"),
        (autoregressive, "site_update"),
        (model_averaging, "bounded"),
        (model_averaging, "_likelihood"),
        (recipes, "averaged"),
    ),
}
"""The functions of each stage, where they are called. The time of a stage is its own: without that of stages that it calls."""

FLOOR = """## Where the floor is

What is left is transforms and factorisations, which are libraries' work already; other libraries were tried and not taken.

- Fourier transforms of `best`, (32, 8192) and (128, 2048) in single precision: Intel's MKL takes 0.6 of SciPy's time, so a tenth of the
  whole would be saved from 10 dB on, and 7 % at 5 dB. It is closed, large, for one family of processors, and its last bits may differ with
  where an array lies in memory, whereas the same input has to give the same samples. FFTW takes 0.7 to 0.9 with plans that it has measured,
  which are others in each run, and so are the bits; with plans that it has not measured, 1.2.
- Cholesky in single precision takes 0.6 of the time. With the solution refined once in double, and factored again where rounding left no
  positive definite matrix (one of 200), all of `best` takes 0.98 of the time at 10 dB and gains 0.08 dB less (5 recordings).
"""
"""What was tried on the stages that take most, told below the tables."""


class StageTimer:
    """CPU seconds of each stage, of functions that call each other."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running = [OUTSIDE]
        self._since = time.process_time()

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since  # type: ignore[assignment]
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done within this counts for a stage."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of which counts for a stage."""

        def call(*args: object, **options: object) -> object:
            with self.stage(name):
                return function(*args, **options)

        return call


@dataclass(frozen=True)
class Spent:
    """What one quality took at one input SDR. seconds: CPU seconds of each stage for a second of audio; dsdr: the mean gain in dB."""

    seconds: dict[str, float]
    dsdr: float


def excerpts(shelves: list[Shelf], count: int, *, seed: int) -> list[tuple[Array, int]]:
    """`count` excerpts of SECONDS of music, a third as many of speech, of different recordings: (frames,) float64, and the sample rate."""
    rng, found = np.random.default_rng(seed), []
    for kind, wanted in (("music", count), ("speech", -(-count // 3))):
        tracks = [(s, t) for s in shelves for t in s.tracks if t.kind == kind and t.frames > SECONDS * t.sample_rate + 64]
        for index in rng.permutation(len(tracks))[:wanted]:
            shelf, track = tracks[index]
            audio = draw_segment(shelf, [track], frames=SECONDS * track.sample_rate, rng=rng, vary_rate=False)
            found.append((audio.astype(np.float64), track.sample_rate))
    return found


def spent(quality: str, audio: list[tuple[Array, int]], *, input_sdr: float) -> Spent:
    """Clip each excerpt to an input SDR, restore it, and see what that takes and gives."""
    timer, session, gains = StageTimer(), Session(quality, "cpu"), []
    total = sum(len(x) / rate for x, rate in audio)
    with ExitStack() as stack, one_blas_thread():
        for name, functions in STAGES.items():
            for owner, function in functions:
                stack.enter_context(patch.object(owner, function, timer.timed(name, getattr(owner, function))))
        for x, rate in audio:
            truth = x * (LEVEL / threshold_for_sdr(x, input_sdr))
            y = clip(truth, LEVEL, -LEVEL).astype(np.float32).astype(np.float64)
            with timer.stage(REST):
                restored = declip(y, rate, session=session)
            gains.append(sdr(truth, restored) - sdr(truth, y))
    return Spent({name: timer.seconds[name] / total for name in (*STAGES, REST)}, float(np.mean(gains)))


def table(quality: str, results: list[Spent]) -> str:
    """Rows are stages, columns input SDRs: CPU seconds for a second of audio, and their share."""
    sums = [sum(result.seconds.values()) for result in results]
    text = f"## `{quality}`\n\n| input SDR, dB | " + " | ".join(map(str, INPUT_SDRS)) + " |\n" + "|---" * (1 + len(INPUT_SDRS)) + "|\n"
    for stage in (*STAGES, REST):
        cells = ((result.seconds[stage], total) for result, total in zip(results, sums, strict=True))
        text += f"| {stage} | " + " | ".join(f"{spent:.3f} ({100 * spent / total:.0f} %)" for spent, total in cells) + " |\n"
    text += "| all | " + " | ".join(f"{total:.3f}" for total in sums) + " |\n"
    return text + "| mean dSDR, dB | " + " | ".join(f"{result.dsdr:.2f}" for result in results) + " |\n\n"


@click.command()
@click.argument("shelves", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--count", default=6, show_default=True, help="Excerpts of music; a third as many of speech come with them.")
@click.option("--seed", default=0, show_default=True, help="Another seed draws other excerpts.")
@click.option("--out", default=RESULTS / "stages.md", type=click.Path(path_type=Path), help="The file to write.")
def main(shelves: tuple[Path, ...], count: int, seed: int, out: Path) -> None:
    """Measure on excerpts of SHELVES and write results/stages.md."""
    audio = excerpts([Shelf(path) for path in shelves], count, seed=seed)
    text = "# Where the time goes\n\nCPU seconds for a second of mono audio in one thread, and the share of all, by stage; made by\n"
    text += f"`python -m declipper.training.judging.stages` on {len(audio)} excerpts of {SECONDS} s of the validation and train splits.\n"
    text += "Each stage is counted without those that it calls.\n\n"
    for quality in ("best", "fast"):
        text += table(quality, [spent(quality, audio, input_sdr=input_sdr) for input_sdr in INPUT_SDRS])
        click.echo(text)
    out.write_text(text + FLOOR)


if __name__ == "__main__":
    main()
