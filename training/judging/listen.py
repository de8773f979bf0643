"""Something to hear: `python -m declipper.training.judging.listen` makes, clips and restores five recordings, and writes docs/listen.md.

The recordings are made from numbers, and the voice by espeak-ng, which has to be there (`apt install espeak-ng`). The program is not told
where they were clipped. Before and after are equally loud, by BS.1770, and as loud as the restored peaks allow.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr

from declipper.clipping.arrays import Array
from declipper.engine.session import Session
from declipper.engine.stream import declip
from declipper.measure.loudness import LoudnessMeter
from declipper.training.data.made import band, drum_loop, plucked_strings
from declipper.training.histories.levelling import agc
from declipper.training.histories.lossy import aac

DOCS = Path(__file__).parents[2] / "docs"
RATE = 24000
"""Sample rate in Hz: all that a voice needs, and ten recordings of it stay under a megabyte."""
SECONDS = 3.2
PEAK = 10 ** (-1 / 20)
"""The highest sample of the louder of before and after: 1 dB below full scale, so that no player has to cut it off."""
INTRODUCTION = """# Something to hear

Five recordings, clipped and restored by `best`, which was not told where. Before and after are equally loud, so that only the sound
differs. They are made by `python -m declipper.training.judging.listen`, the voice by espeak-ng; do with them what you like (CC0).
"""
ROOM = 3e-4
"""Deviation of the noise that any room adds, 70 dB below full scale; espeak-ng's pauses are digital silence, which no microphone gives."""
WORDS = "This take was too hot for its input, and nobody can say it again."


@dataclass(frozen=True)
class Sound:
    """A recording to listen to. over_db: how far its peaks are above the clip level. after: what becomes of it once it was clipped."""

    name: str
    title: str
    make: Callable[[], Array]
    over_db: float
    after: Callable[[Array], Array] = lambda y: y


def _spoken() -> Array:
    """A sentence in a quiet room, (frames,) with its peak at 1.0."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["espeak-ng", "-v", "en-gb", "-s", "165", "-w", str(path), WORDS], check=True)
        voice, rate = soundfile.read(path, dtype="float32")
    voice = soxr.resample(voice, rate, RATE)[: int(SECONDS * RATE)]
    voice = voice + ROOM * np.random.default_rng(0).standard_normal(len(voice))
    return np.asarray(voice / np.abs(voice).max(), np.float32)


def _as_memo(y: Array) -> Array:
    """What a phone does: its gain control, and AAC."""
    levelled = y * agc(y, RATE, 12.0, np.random.default_rng(0))
    return np.asarray(aac(levelled, RATE, 96000), np.float32)


SOUNDS = (
    Sound("voice", "A voice", _spoken, 9.0),
    Sound("drums", "Drums", lambda: drum_loop(RATE, SECONDS), 9.0),
    Sound("guitar", "A plucked chord", lambda: plucked_strings(RATE, SECONDS), 9.0),
    Sound("mix", "A mix", lambda: band(RATE, SECONDS), 7.0),
    Sound("memo", "A memo: a voice, clipped, then through a gain control and AAC", _spoken, 9.0, _as_memo),
)


def lufs(audio: Array) -> float:
    """Integrated loudness of (frames,)."""
    meter = LoudnessMeter(RATE, 1)
    meter.push(audio[:, None])
    return meter.integrated()


def equally_loud(before: Array, after: Array) -> tuple[Array, Array]:
    """Both at one loudness, the highest at which neither has a sample above PEAK."""
    loudness = [lufs(audio) for audio in (before, after)]
    highest = min(own + 20 * np.log10(PEAK / np.abs(audio).max()) for own, audio in zip(loudness, (before, after), strict=True))
    gains = [10 ** ((highest - own) / 20) for own in loudness]
    return np.asarray(before * gains[0], np.float32), np.asarray(after * gains[1], np.float32)


def gained_db(truth: Array, before: Array, after: Array) -> float:
    """dSDR: the error of the clipped recording over that of the restored one."""
    return float(10 * np.log10(np.sum((before - truth) ** 2) / np.sum((after - truth) ** 2)))


@click.command()
def main() -> None:
    """Write docs/listen.md and the recordings that it plays."""
    (DOCS / "audio").mkdir(exist_ok=True)
    session = Session("best", "cpu")
    text = INTRODUCTION
    for sound in SOUNDS:
        truth = sound.make() * 10 ** (sound.over_db / 20)
        clipped = np.rint(np.clip(truth, -1, 1) * 32767).astype(np.float32) / 32768
        before = sound.after(clipped)
        after = declip(before, RATE, session=session)
        said = f"{sound.over_db:.0f} dB over, {100 * float(np.mean(np.abs(truth) >= 1)):.1f} % clipped"
        if before is clipped:
            said += f"; {gained_db(truth, before, after):.1f} dB gained"
        for place, audio in zip(("before", "after"), equally_loud(before, after), strict=True):
            soundfile.write(DOCS / "audio" / f"{sound.name}-{place}.flac", audio, RATE, subtype="PCM_16")
        text += f"\n## {sound.title}\n\n{said}.\n\n" + "\n\n".join(map(_player(sound.name), ("before", "after"))) + "\n"
    (DOCS / "listen.md").write_text(text)


def _player(name: str) -> Callable[[str], str]:
    """Makes the line for one recording: a player, and a link where there is none."""

    def line(place: str) -> str:
        file = f"audio/{name}-{place}.flac"
        return f'{place.capitalize()}: <audio controls preload="none" src="{file}"></audio> [{name}-{place}.flac]({file})'

    return line


if __name__ == "__main__":
    main()
