"""Solo instruments, playing random pieces: tonal material that the corpora lack.

`python -m declipper.training.data.solo OUT` writes FLACs.

Needs fluidsynth and the General MIDI sound font of Debian's fluid-soundfont-gm (`apt-get install fluidsynth fluid-soundfont-gm`).
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import click
import numpy as np

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""Where Debian puts it."""
TICKS = 480
"""Of a quarter note: the usual resolution of MIDI files."""
INSTRUMENTS = {
    **dict.fromkeys(range(0, 8), (36, 96)),  # pianos
    **dict.fromkeys(range(8, 16), (60, 96)),  # glockenspiel, bells, marimba
    **dict.fromkeys(range(16, 24), (40, 88)),  # organs, accordion
    **dict.fromkeys(range(24, 32), (40, 84)),  # guitars
    **dict.fromkeys(range(32, 40), (28, 55)),  # basses
    **dict.fromkeys(range(40, 48), (36, 91)),  # violin to harp
    **dict.fromkeys(range(52, 55), (48, 79)),  # voices
    **dict.fromkeys(range(56, 64), (36, 84)),  # brass
    **dict.fromkeys(range(64, 72), (46, 86)),  # saxophones, oboe, bassoon, clarinet
    **dict.fromkeys(range(72, 80), (60, 96)),  # flutes
}
"""General MIDI program to its lowest and highest key."""
SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Major, in semitones above the tonic."""


def piece(program: int, seconds: float, *, rng: np.random.Generator) -> bytes:
    """A standard MIDI file: a random walk through a scale, in chords of one to four notes, some of them held."""
    low, high = INSTRUMENTS[program]
    tonic = int(rng.integers(12))
    keys = [k for k in range(low, high + 1) if (k - tonic) % 12 in SCALE]
    voices, place = int(rng.integers(1, 5)), len(keys) // 2
    pulse = int(TICKS * 2.0 ** rng.uniform(-1.5, 1.5))
    events = [(0, bytes([0xC0, program])), (0, bytes([0xB0, 91, int(rng.integers(100))]))]
    time = 0
    while time < seconds * 2 * TICKS:  # 120 quarter notes a minute
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(keys) - 1))
        length = int(pulse * rng.choice([0.5, 1, 1, 2, 4]))
        for voice in range(int(rng.integers(1, voices + 1))):
            key, force = keys[min(place + 2 * voice, len(keys) - 1)], int(rng.integers(40, 127))
            events += [(time, bytes([0x90, key, force])), (time + int(length * rng.uniform(0.6, 1.6)), bytes([0x80, key, 0]))]
        time += length
    events.sort(key=lambda event: (event[0], event[1][0] == 0x90))
    track, last = b"", 0
    for when, message in events:
        track += _delta(when - last) + message
        last = when
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def _delta(ticks: int) -> bytes:
    """A MIDI variable-length quantity."""
    groups = [ticks & 0x7F]
    while ticks := ticks >> 7:
        groups.append(0x80 | (ticks & 0x7F))
    return bytes(reversed(groups))


def render(program: int, seconds: float, *, rng: np.random.Generator, target: Path, sound_font: Path = SOUND_FONT) -> None:
    """Play a random piece on one instrument into the FLAC file `target`, stereo at 44.1 kHz."""
    with tempfile.NamedTemporaryFile(suffix=".mid") as midi:
        midi.write(piece(program, seconds, rng=rng))
        midi.flush()
        command = ["fluidsynth", "-ni", "-q", "-r", "44100", "-g", "0.4", "-F", target, "-T", "flac", sound_font, midi.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seconds", default=30.0, show_default=True, help="Length of each piece.")
@click.option("--takes", default=2, show_default=True, help="Pieces for each instrument.")
@click.option("--seed", default=0, show_default=True)
def main(out: Path, seconds: float, takes: int, seed: int) -> None:
    """Render pieces for every instrument into the folder OUT."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for program in INSTRUMENTS:
        for take in range(takes):
            render(program, seconds, rng=rng, target=out / f"{program:03}.{take}.flac")


if __name__ == "__main__":
    main()
