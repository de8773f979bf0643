"""Puts the DAW plugin into the folders where hosts look for it, and takes it out again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from declipper.errors import InputError, OutputError

FORMATS = ("lv2", "vst3", "clap")
"""The plugin formats, as they are called on the command line and in a build's folder."""
NAMES = {
    "lv2": ("declipper.lv2",),
    "vst3": ("declipper.vst3", "declipper-mono.vst3"),
    "clap": ("declipper.clap", "declipper-mono.clap"),
}
"""The files or folders of each format; an LV2 bundle holds the mono and the stereo plugin."""
MARK = b"urn:declipper:"
"""Bytes in some file of every plugin of ours, the beginning of its LV2 address: they tell it from another of the same name."""


def user_folder(kind: str) -> Path:
    """Where this system's hosts look for the user's own plugins of a format. Raises OutputError where the home folder is not known."""
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library/Audio/Plug-Ins" / kind.upper()
        if sys.platform == "win32":
            if kind == "lv2":
                return Path(os.environ["APPDATA"]) / "LV2"
            return Path(os.environ["LOCALAPPDATA"]) / "Programs/Common" / kind.upper()
        return Path.home() / f".{kind}"
    except (RuntimeError, KeyError) as error:
        raise OutputError(f"{kind}: the user's folder for it is not known ({error}); name one with --dest") from error


def package() -> Path | None:
    """The folder of the package `declipper_plugin`, which is apart from this one because it is compiled; None where it is not installed."""
    found = importlib.util.find_spec("declipper_plugin")
    return Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None


def shipped() -> Path:
    """The plugins of the installed package. Raises InputError where it is not installed."""
    found = package()
    if found is None:
        raise InputError("the plugin itself is not installed; pip install packaging/plugin of the sources, or name a build with --from")
    return found


def install(source: Path, kinds: Iterable[str], *, destination: Path | None = None) -> list[Path]:
    """Copy the plugins in source/lv2, source/vst3 and source/clap to the user's own folders or `destination`; returns where they are now.

    Raises InputError where a plugin is missing, and OutputError where it cannot be written or a plugin of others stands in its place.
    """
    plugins = [(source / kind / name, (destination or user_folder(kind)) / name) for kind in kinds for name in NAMES[kind]]
    for plugin, target in plugins:
        if not _there(plugin):
            raise InputError(f"{plugin}: no such plugin; build it first, or leave its format out with --format")
        if _there(target) and not is_ours(target):
            raise OutputError(f"{target}: exists and is not of declipper; move it away first")
    for plugin, target in plugins:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(plugin, target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({_reason(error)}); check the folder's permissions") from error
    return [target for _, target in plugins]


def installed(kinds: Iterable[str], destination: Path | None = None) -> list[Path]:
    """The plugins of ours that are in place, in the user's own folders or in `destination`."""
    places = [(destination or user_folder(kind)) / name for kind in kinds for name in NAMES[kind]]
    return [place for place in places if _there(place) and is_ours(place)]


def uninstall(kinds: Iterable[str], destination: Path | None = None) -> list[Path]:
    """Remove the plugins of ours; returns where they were. Raises OutputError where that fails."""
    gone = installed(kinds, destination)
    for place in gone:
        try:
            with tempfile.TemporaryDirectory(prefix=".declipper-", dir=place.parent) as aside:
                place.rename(Path(aside) / place.name)
        except OSError as error:
            raise OutputError(f"{place}: cannot be removed ({_reason(error)}); check the folder's permissions") from error
    return gone


def is_ours(plugin: Path) -> bool:
    """Whether some file of a plugin bears our mark. Raises OutputError where it cannot be read."""
    try:
        files = [path for path in plugin.rglob("*") if path.is_file()] if plugin.is_dir() else [plugin]
        return any(MARK in path.read_bytes() for path in files)
    except OSError as error:
        raise OutputError(f"{plugin}: cannot be read ({_reason(error)}); check its permissions, or move it away") from error


def _there(plugin: Path) -> bool:
    try:
        return plugin.exists()
    except OSError as error:
        raise OutputError(f"{plugin}: cannot be looked at ({_reason(error)}); check the folder's permissions") from error


def _reason(error: OSError) -> str:
    """What went wrong. copytree collects what went wrong with each file, and has no reason of its own."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)


def _replace(plugin: Path, target: Path) -> None:
    """Copy beside the target first: a host never meets half a plugin, and a failed copy leaves the old one as it was."""
    with tempfile.TemporaryDirectory(prefix=".declipper-", dir=target.parent) as aside:
        fresh, old = Path(aside) / "new", Path(aside) / "old"
        if plugin.is_dir():
            shutil.copytree(plugin, fresh)
            fresh.chmod(fresh.stat().st_mode | stat.S_IWUSR)  # a read-only folder cannot be moved
        else:
            shutil.copy2(plugin, fresh)
        try:
            if os.path.lexists(target):  # a link that leads nowhere gives way as well
                target.rename(old)
            fresh.rename(target)
        except BaseException:  # Ctrl-C too
            if os.path.lexists(old) and not os.path.lexists(target):
                old.rename(target)
            raise
