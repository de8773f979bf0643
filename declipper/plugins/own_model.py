"""A model of the user's own for the plugin: a flat file in one place, where every plugin looks when a host makes an instance of it.

The place does not depend on XDG_DATA_HOME, which a shell may have set and a host that was started from a menu not.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath

from declipper.engine.model_file import ModelFile
from declipper.engine.session import Session
from declipper.errors import ModelError, OutputError
from declipper.files.hidden import whole
from declipper.plugins.flat import flat

PLACES = {
    "linux": PurePosixPath(".local/share/declipper/plugin.model"),
    "darwin": PurePosixPath("Library/Application Support/declipper/plugin.model"),
    "win32": PurePosixPath("declipper/plugin.model"),
}
"""Where it is, by `sys.platform`: on Windows below %APPDATA%, else below the user's home folder. Other systems are taken for Linux."""
LARGEST = 1 << 26
"""Bytes that the plugin reads at most, 64 MiB; that of `live` has 1.2 million."""


def place() -> Path:
    """Where the plugin looks. Raises OutputError where the user's folder is not known."""
    try:
        home = Path(os.environ["APPDATA"]) if sys.platform == "win32" else Path.home()
    except (RuntimeError, KeyError) as error:
        raise OutputError(f"the user's folder for a model is not known ({error}); set it in the environment") from error
    return home / PLACES.get(sys.platform, PLACES["linux"])


def put(model: Path) -> Path:
    """Put a model file of the kind of `live` where the plugin looks; returns the place.

    Raises ModelError, and changes nothing, where the plugin could not run it, and OutputError where it cannot be written.
    """
    Session(model, "cpu")  # refuses what the rest of the program would refuse
    content, target = flat(ModelFile.read(model)), place()
    if len(content) > LARGEST:
        raise ModelError(f"{model}: is too large for the plugin; train a smaller one")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent}: cannot be made ({error.strerror}); check the folder's permissions") from error
    with whole(target, what="the model", overwrite=True) as part:
        part.write_bytes(content)
    return target


def put_away() -> Path | None:
    """Take the model away, so that the plugin runs the one that is built in; returns where it was, None if there was none.

    Raises OutputError where it cannot be removed.
    """
    found = in_place()
    if found is not None:
        try:
            found.unlink()
        except OSError as error:
            raise OutputError(f"{found}: cannot be removed ({error.strerror}); check the folder's permissions") from error
        with suppress(OSError):
            found.parent.rmdir()  # where nothing else is in it
    return found


def in_place() -> Path | None:
    """The model that is in place; None if there is none, or no folder of a user."""
    with suppress(OutputError, OSError):
        if os.path.lexists(place()):
            return place()
    return None
