"""How a restored recording is delivered: into which file, in which format, and with how much room for its peaks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from declipper.errors import OutputError
from declipper.files.formats import FileFormat, format_for
from declipper.files.recording import Recording

Headroom = Literal["float", "attenuate", "limit", "clip"]
"""What becomes of restored peaks above full scale: kept, the whole file turned down, limited, or clipped again."""
HEADROOMS: tuple[Headroom, ...] = get_args(Headroom)


@dataclass(frozen=True)
class Delivery:
    """A checked order for one output file; `Delivery.planned` makes it.

    match_loudness: whether the result is turned to the loudness of the recording. overwrite: whether a file that is there gives way.
    only_clipped: whether no file is written for a recording in which nothing turns out to be clipped.
    """

    target: Path
    format: FileFormat
    headroom: Headroom
    match_loudness: bool
    overwrite: bool
    only_clipped: bool = False

    @classmethod
    def planned(
        cls,
        recording: Recording,
        target: Path,
        *,
        subtype: str | None = None,
        headroom: Headroom | None = None,
        match_loudness: bool = False,
        overwrite: bool = False,
    ) -> Delivery:
        """The order to write the restored `recording` to `target`; the arguments are the options of `declipper fix`.

        headroom None: "float" where the format holds peaks above full scale, else "attenuate". Raises OutputError for a format that
        cannot be written or cannot hold the recording or what `headroom` asks for, and where `target` is a folder, a pipe, a device, the
        recording itself, or a file that is not to be overwritten.
        """
        wide = recording.dtype is np.float64
        rate, channels, frames = recording.sample_rate, recording.channels, recording.frames
        chosen = format_for(target, sample_rate=rate, channels=channels, frames=frames, subtype=subtype, wide=wide)
        return cls.checked(recording, target, chosen, headroom=headroom, match_loudness=match_loudness, overwrite=overwrite)

    @classmethod
    def checked(
        cls, recording: Recording, target: Path, chosen: FileFormat, *, headroom: Headroom | None, match_loudness: bool, overwrite: bool
    ) -> Delivery:
        """The same order where the format is known."""
        if headroom == "float" and not chosen.holds_peaks:
            raise OutputError(
                f"{target}: {chosen.subtype} cannot hold peaks above full scale; use --headroom attenuate, limit or clip, or a float .wav"
            )
        _check_free(target, recording, overwrite)
        room = headroom or ("float" if chosen.holds_peaks else "attenuate")
        return cls(target, chosen, room, match_loudness, overwrite)


def check_is_file(target: Path, *, else_name: str = "a file") -> None:
    """Raises OutputError where this is no file but a folder, a pipe or a device, or a link to one. Nothing need be there."""
    if os.path.isdir(target):  # noqa: PTH112 - Path.is_dir raises where the folder is out of reach
        raise OutputError(f"{target}: is a folder; name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113
        raise OutputError(f"{target}: is a pipe or a device, not a file; name {else_name}")


def _check_free(target: Path, recording: Recording, overwrite: bool) -> None:
    """Raises OutputError where `target` is not a file name that may be taken."""
    check_is_file(target, else_name="a file, or - for standard output")
    try:
        if target.exists():
            if target.samefile(recording.path):
                raise OutputError(f"{target}: is the recording itself, which is never overwritten; choose another name with -o")
            if not overwrite:
                raise OutputError(f"{target}: exists; use --overwrite to replace it or -o for another name")
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another name with -o") from error
