"""Audacity under a virtual screen, with settings of its own, led through its scripting pipe: import, effect, export."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import soundfile
from material import BUNDLE, RATE, Audio, given

MODULE = Path("/usr/lib/audacity/modules/mod-script-pipe.so")
PIPES = [Path(f"/tmp/audacity_script_pipe.{way}.{os.getuid()}") for way in ("to", "from")]
WAIT = 60.0
"""Seconds to wait for what should take a few."""
SETTLING = 5.0
"""Seconds that a started Audacity is left alone: it loses what it is told earlier, and never answers."""
SETTINGS = """PrefsVersion=1.1.1r1
[GUI]
ShowSplashScreen=0
[Update]
DefaultUpdatesChecking=0
UpdateNoticeShown=1
[Version]
Major=3
Minor=2
Micro=4
[Module]
mod-script-pipe=1
[ModulePath]
mod-script-pipe={module}
[ModuleDateTime]
mod-script-pipe={date}
[Directories]
TempDir={home}
[Quality]
DitherAlgorithmChoice=None
HQDitherAlgorithmChoice=None
[FileFormats]
ExportFormat_SF1=65542
[FileFormats/ExportFormat_SF1_Type]
WAV_10000=65542
"""
"""65542: WAV of 32-bit float. A module whose date is not the one named here is not loaded."""


def with_audacity(latency: int) -> Audio:
    """Import, effect and export through its scripting pipe."""
    with tempfile.TemporaryDirectory() as home:
        source, target = f"{home}/in.wav", f"{home}/out.wav"
        soundfile.write(source, given(), RATE, "FLOAT")
        settings = Path(home) / ".config/audacity/audacity.cfg"
        settings.parent.mkdir(parents=True)
        date = datetime.fromtimestamp(MODULE.stat().st_mtime, UTC).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        settings.write_text(SETTINGS.format(module=MODULE, date=date, home=home))
        with _screen() as display, _audacity(home, display) as ask:
            for command in (f"Import2: Filename={source}", "SelectAll:", "Declipper:", f"Export2: Filename={target} NumChannels=2"):
                answer = ask(command)
                assert "finished: OK" in answer, f"{command} {answer}"
        audio, rate = soundfile.read(target, dtype="float32")
        assert rate == RATE
        return audio[latency:]


@contextmanager
def _screen() -> Iterator[str]:
    """A virtual screen; its name."""
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield ":" + server.stdout.readline().strip()
        finally:
            server.terminate()


@contextmanager
def _audacity(home: str, display: str) -> Iterator[Callable[[str], str]]:
    """Audacity, as a function from a command to its answer."""
    for pipe in PIPES:
        pipe.unlink(missing_ok=True)
    environment = os.environ | {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "DISPLAY": display, "LV2_PATH": str(BUNDLE.parent)}
    with subprocess.Popen(["audacity"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            end = time.monotonic() + WAIT
            while not all(pipe.exists() for pipe in PIPES):
                assert time.monotonic() < end, "Audacity opens no pipe"
                time.sleep(0.1)
            time.sleep(SETTLING)
            with PIPES[0].open("w", buffering=1) as to, PIPES[1].open("rb", buffering=0) as back:

                def ask(command: str) -> str:
                    to.write(command + "\n")
                    answer = b""
                    while not answer.endswith(b"\n\n"):
                        # it also waits where some other plugin is one it cannot use, and it asks about that
                        assert select.select([back], [], [], WAIT)[0], f"no answer to {command}"
                        answer += back.read(4096)
                    return answer.decode()

                yield ask
        finally:
            running.terminate()
