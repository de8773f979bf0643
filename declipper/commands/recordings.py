"""The recordings named on the command line, each in turn; where results go, and what they must not take the place of."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click

from declipper.archive.job import Settings
from declipper.archive.tree import restored_name
from declipper.errors import DeclipperError, InputError, OutputError, WorkerError
from declipper.files.recording import Recording, Truncated, standard_input
from declipper.media.container import holds_video
from declipper.media.formats import VIDEO, ending_for
from declipper.signals import INTERRUPTED
from declipper.terminal.console import SOME_FAILED, complain, complain_of_bug
from declipper.terminal.progress import Display, showing


def files_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """FILES, one or more."""
    return click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))(command)


def refuse_without_archive(**options: object) -> None:
    """Raises UsageError for an option that is given and is of use with folders only."""
    for name, value in options.items():
        if value:
            raise click.UsageError(f"--{name.replace('_', '-')} is for folders, and none is named")


def truncated_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--truncated, what becomes of a recording that lost its end."""
    return click.option(
        "--truncated",
        type=click.Choice(get_args(Truncated)),
        default="refuse",
        show_default=True,
        help="Or take what is there of a cut file.",
    )(command)


def stream_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--stream, which of a video's streams of sound."""
    return click.option("--stream", type=click.IntRange(1), metavar="N", help="Only the Nth stream of sound of a video. Usual: all.")(
        command
    )


@contextmanager
def opened(name: str, settings: Settings) -> Iterator[Recording]:
    """The recording of that name; - is standard input. Raises InputError for what is none."""
    if name == "-":
        with standard_input() as path:
            yield settings.opened(path, "<stdin>")
    else:
        yield settings.opened(Path(name), click.format_filename(name))


def each(files: tuple[str, ...], work: Callable[[str, Display], None], *, quiet: bool) -> None:
    """Work on every file; a bad one is reported in one line and does not stop the rest, but the exit code.

    work: gets the name and what shows how far it is, which with `quiet` is nothing.
    """
    sizes = [_size(name) for name in files]
    with showing(sizes, quiet=quiet) as display:
        failed = sum(not _worked(name, size, work, display) for name, size in zip(files, sizes, strict=True))
    if failed:
        sys.exit(SOME_FAILED)


def _worked(name: str, size: int, work: Callable[[str, Display], None], display: Display) -> bool:
    """Whether the work on one recording went well; if not, a line has told why."""
    with display.recording(name, size):
        try:
            work(name, display)
        except (InputError, OutputError, WorkerError) as error:
            complain(error)
        except (BrokenPipeError, DeclipperError, click.ClickException):
            raise
        except KeyboardInterrupt:
            complain("interrupted; what was finished is kept, nothing half written is left")
            sys.exit(INTERRUPTED)
        except OSError as error:
            complain(f"{click.format_filename(name)}: {error}; check names and permissions")
        except Exception as error:  # the rest must still be done
            complain_of_bug(error, click.format_filename(name))
        else:
            return True
    return False


def _size(name: str) -> int:
    """The bytes of a file, 0 where there is none to ask."""
    try:
        return 0 if name == "-" else Path(name).stat().st_size
    except (OSError, ValueError):
        return 0


def check_input(files: tuple[str, ...]) -> None:
    """Raise UsageError where the files named cannot all be read from standard input."""
    if files.count("-") > 1:
        raise click.UsageError("- is named more than once, and standard input holds one recording")
    if "-" in files and sys.stdin is None:
        raise click.UsageError("- reads a recording from standard input, which is closed; send one in with < or |")
    if "-" in files and sys.stdin.isatty():
        raise click.UsageError("- reads a recording from standard input, which is the terminal; send one in with < or |")


def usual_ending(name: str, *, audio_only: bool) -> str:
    """What the name of the result for a recording ends in where nothing else is asked for: a video stays one, sound becomes WAV."""
    video = not audio_only and name != "-" and Path(name).suffix.lower() in VIDEO and holds_video(Path(name))
    return ending_for(Path(name)) if video else "wav"


def target_of(name: str, output: str | None, *, suffix: str) -> Path:
    """Where the result for a recording goes; with -o -, only what it is called."""
    if output == "-":
        return Path(f"stdout.{suffix}")
    source = Path("stdin") if name == "-" else Path(name)
    plain = restored_name(source.name, suffix)
    if output is None:
        return source.parent / plain
    return Path(output) / plain if _is_folder(output) else Path(output)


def check_output(files: tuple[str, ...], output: str | None) -> None:
    """Raises UsageError where -o cannot take the results of so many recordings."""
    if output == "-" and len(files) > 1:
        raise click.UsageError("-o - takes one recording; name one, or a folder with -o")
    if output == "-" and sys.stdout is None:
        raise click.UsageError("-o - writes to standard output, which is closed; send it to a file or a program with > or |")
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("-o - would write audio to the terminal; send it to a file or a program with > or |")
    if output is not None and output != "-" and len(files) > 1 and not _is_folder(output):
        raise click.UsageError(f"-o {output} is not a folder, and {len(files)} recordings need one; make it first with mkdir")


def check_targets(files: tuple[str, ...], targets: list[Path], *, replacing: bool) -> None:
    """Raises UsageError where two recordings would become one file, or, when `replacing` files, one of the recordings."""
    for target, count in Counter(targets).items():
        if count > 1:
            raise click.UsageError(f"{len(files)} recordings, but more than one would become {target}; call declipper once for each")
    named = {_identity(0 if name == "-" else Path(name)): name for name in files} if replacing else {}
    named.pop(None, None)
    for name, target in zip(files, targets, strict=True):
        found = named.get(_identity(target))
        if found == name == "-":
            raise click.UsageError(f"{target} is the recording itself, which is never overwritten; choose another name with -o")
        if found not in (None, name):
            raise click.UsageError(f"{target} would be replaced, and is one of the recordings to restore; leave it or {name} out")


def check_written(option: str, path: Path, *, ending: str, overwrite: bool, made: bool = False) -> None:
    """Raises UsageError for a file that an option names and that must not be written, such as a recording in place of a picture.

    ending: what its name must end in. made: whether its folder will be made.
    """
    if path.suffix.lower() != ending:
        raise click.UsageError(f"{option} {path}: the name does not end in {ending}; choose one that does")
    if _identity(path) is not None and not overwrite:
        raise click.UsageError(f"{option} {path} exists; use --overwrite to replace it or another name")
    if path.exists() and not path.is_file():
        raise click.UsageError(f"{option} {path} is a folder, a pipe or a device, not a file; choose another name")
    if not made and not _is_folder(str(path.parent)):
        raise click.UsageError(f"{option} {path}: there is no folder {path.parent}; make it first")


def check_one(option: str, path: Path, files: tuple[str, ...], *, ending: str, overwrite: bool) -> None:
    """Raises UsageError where what an option writes about one recording must not be written, or several are named."""
    if len(files) > 1:
        raise click.UsageError(f"{option} takes one recording; call it once for each")
    check_written(option, path, ending=ending, overwrite=overwrite)


def check_picture(plot: Path | None, files: tuple[str, ...], *, overwrite: bool) -> None:
    """Raises UsageError for a picture that must not be written, or cannot be drawn."""
    if plot is None:
        return
    check_one("--plot", plot, files, ending=".png", overwrite=overwrite)
    try:
        import matplotlib as _  # noqa: F401 - before hours of work, not after them
    except ImportError as error:
        raise click.UsageError('--plot needs matplotlib; pip install "declipper[plot]"') from error


def _is_folder(output: str) -> bool:
    try:
        return Path(output).is_dir()
    except OSError:  # such as a name that is too long
        return False


def _identity(file: Path | int) -> tuple[int, int] | None:
    """The same for two names of one file, or the number under which it is open; None for one that is not there."""
    try:
        found = os.stat(file)  # noqa: PTH116 - takes numbers too
    except OSError:
        return None
    return found.st_dev, found.st_ino
