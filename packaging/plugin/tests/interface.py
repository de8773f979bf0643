"""Lets the interface watch clipped tones, without a screen: `python interface.py ../interface.png` draws the picture in the README."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from material import BUILD, CLAP, RATE, Audio, tones

PROGRAM = BUILD / "tests/clap_interface"
"""Built where the headers of OpenGL and X11 are."""


@dataclass(frozen=True)
class Seen:
    """picture: (height, width, 3) bytes. values: of each parameter in the end, by its symbol."""

    picture: npt.NDArray[np.uint8]
    values: dict[str, float]


@contextmanager
def screen() -> Iterator[str]:
    """The name of a display that is only in memory."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield f":{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def seen(audio: Audio, *click: int, plugin: os.PathLike[str] = CLAP) -> Seen:
    """What the interface shows of a signal (frames, channels), and the parameters after a click at (x, y), if there is one."""
    with screen() as display:
        command = [str(PROGRAM), str(plugin), str(RATE), str(audio.shape[1]), *map(str, click)]
        environment = os.environ | {"DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
        done = subprocess.run(command, input=audio.tobytes(), capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    _, size, _, pixels = done.stdout.split(b"\n", 3)
    width, height = map(int, size.split())
    lines = (line.split("=") for line in done.stderr.decode().splitlines() if "=" in line)
    return Seen(np.frombuffer(pixels, np.uint8).reshape(height, width, 3), {symbol: float(value) for symbol, value in lines})


def speaking(seconds: float = 4.5) -> Audio:
    """Tones that come and go as words do, clipped at half of full scale."""
    t = np.arange(int(seconds * RATE))[:, None] / RATE
    words = np.clip(1.6 * np.abs(np.sin(2 * np.pi * 0.55 * t)) * (0.6 + 0.4 * np.sin(2 * np.pi * 2.3 * t)), 0, 1)
    return np.ascontiguousarray(np.clip(words * tones(seconds, seed=3, level=np.float32(1.2)), -0.5, 0.5).astype(np.float32))


def main() -> None:
    """Write the picture."""
    picture = seen(speaking()).picture
    height, width, _ = picture.shape
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *size, "-i", "-", sys.argv[1]], input=picture.tobytes(), check=True)


if __name__ == "__main__":
    main()
