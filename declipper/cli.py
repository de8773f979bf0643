"""The command line: `declipper fix`, `declipper inspect`, `declipper live`. Options in, one call of the pipeline per file, one line out."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

import declipper
from declipper import pipeline
from declipper.chain import Chain
from declipper.console import complain, outcome, print_json, progress_bar, sole_use_of_stderr, stdout, summary, table
from declipper.devices import DeviceStream, choose, describe, portaudio
from declipper.errors import DeclipperError, DeviceError, InputError, OutputError
from declipper.experts import THOROUGH
from declipper.feed import Feed
from declipper.files import FORMATS, Recording, standard_input
from declipper.keyboard import Keyboard
from declipper.live import listen, rehearse
from declipper.meters import account, screen
from declipper.monitor import MODES, Mode
from declipper.piped import RAW, PipedAudio
from declipper.plugin_cli import plugin
from declipper.session import PROVIDERS, Session, shipped_model

STOPPING = (signal.SIGINT, signal.SIGTERM)
SOME_FAILED, USAGE, INTERRUPTED = 1, 2, 130


def _threshold(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """'-3' or '-3,-2.5': dBFS for both polarities, or for the positive and the negative one; as linear levels above 0."""
    if value is None:
        return None
    try:
        levels = [float(part) for part in value.split(",")]
    except ValueError:
        levels = []
    if len(levels) not in (1, 2) or not all(-120 <= level <= 40 for level in levels):
        raise click.BadParameter(f"{value!r} is not one dBFS value or two with a comma, for example -3 or -3,-2.5")
    return 10 ** (levels[0] / 20), 10 ** (levels[-1] / 20)


def _minutes(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """'5m', '90s', '1h' or a number of minutes."""
    units = {"s": 1 / 60, "m": 1.0, "h": 60.0}
    if value is None:
        return None
    try:
        minutes = float(value.rstrip("smh")) * units.get(value[-1:], 1.0)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 10000:
        raise click.BadParameter(f"{value!r} is not a time such as 90s, 5m or 1h")
    return minutes


def _threshold_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--threshold", callback=_threshold, metavar="dBFS", help="Clip level by hand, in dBFS: one value, or positive,negative."
    )(command)


def _files_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))(command)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(declipper.__version__, prog_name="declipper")
def cli() -> None:
    """Restore clipped recordings."""


@cli.command()
@_files_argument
@click.option("-o", "--output", help="Output file, or folder for several files; - writes WAV to standard output.")
@_threshold_option
@click.option("--quality", type=click.Choice(["best", "fast"]), default="best", show_default=True, help="fast is for drafts and previews.")
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped ones.")
@click.option(
    "--adapt",
    callback=_minutes,
    metavar="TIME",
    help="Fine-tune the fast model, or --model, on each recording first, for example 5m. Needs declipper[train].",
)
@click.option("--device", type=click.Choice(["auto", *PROVIDERS]), default="auto", show_default=True)
@click.option("--format", "suffix", type=click.Choice([s[1:] for s in FORMATS]), help="Output format where -o names no file. Usual: wav.")
@click.option("--subtype", help="Sample type as libsndfile names it: FLOAT, DOUBLE, PCM_16, PCM_24, ... Usual: FLOAT for wav.")
@click.option(
    "--headroom",
    type=click.Choice(pipeline.HEADROOMS),
    help="Room for restored peaks: keep them (float), turn the whole file down (attenuate), limit, or clip again. "
    "Usual: float where the format holds it, else attenuate.",
)
@click.option("--match-loudness", is_flag=True, help="Turn the result to the loudness (LUFS) of the input.")
@click.option("--overwrite", is_flag=True, help="Replace an output file that exists. The input is never replaced.")
@click.option("--skip-existing", is_flag=True, help="Leave out recordings whose output exists.")
@click.option("--dry-run", is_flag=True, help="Report what would be done; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file on standard output.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a PNG of the place with the most clipping, before and after.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Threads. The output is the same for any number.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Levels per channel, loudness and true peak.")
def fix(
    files: tuple[str, ...],
    output: str | None,
    threshold: tuple[float, float] | None,
    quality: str,
    model: Path | None,
    adapt: float | None,
    device: str,
    suffix: str | None,
    subtype: str | None,
    headroom: str | None,
    match_loudness: bool,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    as_json: bool,
    plot: Path | None,
    jobs: int,
    quiet: bool,
    verbose: bool,
) -> None:
    """Restore FILES; each result is NAME.declipped.wav beside its source, 32-bit float at unity gain. - reads standard input."""
    if output == "-" and as_json:
        raise click.UsageError("-o - and --json both want standard output; leave one out")
    if plot is not None and len(files) > 1:
        raise click.UsageError("--plot takes one recording; call it once for each")
    if output == "-" and len(files) > 1:
        raise click.UsageError("-o - takes one recording; name one, or a folder with -o")
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("-o - would write audio to the terminal; send it to a file or a program with > or |")
    if output is not None and output != "-" and len(files) > 1 and not _is_folder(output):
        raise click.UsageError(f"-o {output} is not a folder, and {len(files)} recordings need one; make it first with mkdir")
    _check_input(files)
    targets = [_target(name, output, suffix) for name in files]
    for target in targets:
        if targets.count(target) > 1:
            raise click.UsageError(f"{len(files)} recordings, but more than one would become {target}; call declipper once for each")
    session = None if dry_run else Session(model or shipped_model("fast" if adapt else quality), device)

    def work(name: str) -> None:
        with _recording(name) as recording, ExitStack() as stack:
            target = _target(name, output, suffix)
            if output == "-":
                target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-"))) / target.name
            shown = "-" if output == "-" else click.format_filename(target)
            if skip_existing and target.exists():
                tell(recording.name, f": left out, {shown} exists", {"output": shown, "skipped": True})
                return
            if session is None:
                pipeline.check_target(recording, target, overwrite)
                with progress_bar(recording.name, quiet) as progress:
                    report = pipeline.inspect(recording, threshold, progress)
                tell(recording.name, f" would become {shown}: {summary(report)}", report.as_dict() | {"output": shown, "dry_run": True})
                return
            chosen = session
            if adapt is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-")))
                chosen = _adapted(recording.path, folder / "adapted.onnx", model, adapt, device, quiet) or session
            started = time.monotonic()
            with progress_bar(recording.name, quiet) as progress:
                done = pipeline.fix(recording, target, chosen, threshold, subtype, headroom, match_loudness, overwrite, jobs, progress)
            if plot is not None:
                with _matplotlib():
                    from declipper.plot import plot_restoration

                    plot_restoration(recording, target, threshold, plot)
            if output == "-":
                _pour(target)
            speed = recording.frames / recording.sample_rate / max(time.monotonic() - started, 1e-6)
            extra = {"output": shown, "gain_db": done.gain_db, "before": vars(done.before), "after": vars(done.after)}
            if done.metadata_problem:
                extra["warning"] = done.metadata_problem
            tell(recording.name, f" -> {shown}: {outcome(done, speed, verbose)}", done.report.as_dict() | extra)

    def tell(name: str, line: str, values: dict[str, Any]) -> None:
        if as_json:
            print_json({"file": name} | values)
        elif not quiet:
            click.echo(name + line, err=True)

    _each(files, work)


@cli.command()
@_files_argument
@_threshold_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a PNG: waveform with clipped runs marked, and the histogram of levels."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def inspect(files: tuple[str, ...], threshold: tuple[float, float] | None, as_json: bool, plot: Path | None, quiet: bool) -> None:
    """Report the clipping of FILES: levels per channel and polarity, clipped samples, runs. Nothing is changed."""
    if plot is not None and len(files) > 1:
        raise click.UsageError("--plot takes one recording; call it once for each")
    _check_input(files)

    def work(name: str) -> None:
        with _recording(name) as recording:
            with progress_bar(recording.name, quiet) as progress:
                report = pipeline.inspect(recording, threshold, progress)
            if plot is not None:
                with _matplotlib():
                    from declipper.plot import plot_clipping

                    plot_clipping(recording, threshold, plot)
            if as_json:
                print_json({"file": recording.name} | report.as_dict())
            else:
                with stdout():
                    click.echo(f"{recording.name}: {summary(report)}\n{table(report)}")

    _each(files, work)


@cli.command()
@click.argument("pipe", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option("--input", "source", help="Input device, by number or part of its name, or a recording to rehearse with.")
@click.option("--output", help="Output device, by number or part of its name; none: no device, a recording goes to --record at full speed.")
@click.option("--list-devices", is_flag=True, help="Print the devices and end.")
@click.option("--samplerate", type=click.IntRange(4000, 384000), help="Usual: the device's own.")
@click.option("--blocksize", type=click.IntRange(0, 8192), default=0, show_default=True, help="Frames per block of the device; 0: its own.")
@click.option("--channels", type=click.IntRange(1, 64), help="Usual: as many as both devices have, 2 at most.")
@click.option("--raw", type=click.Choice([*RAW]), help="The pipe holds raw little-endian samples, not WAV.")
@click.option("--latency", type=click.Choice(["20ms", "40ms", "80ms"]), default="80ms", show_default=True, help="Longer restores better.")
@click.option(
    "--monitor", type=click.Choice([*MODES]), default="restored", show_default=True, help="What is heard; keys r, d, x switch it."
)
@click.option("--record", type=click.Path(path_type=Path), help="Record the restored signal to a float WAV, and the raw one beside it.")
@click.option("--overwrite", is_flag=True, help="Replace recordings that exist.")
@click.option(
    "--gain", type=click.FloatRange(-60, 24), default=0.0, show_default=True, metavar="dB", help="Of what is heard, not recorded."
)
@click.option("--ceiling/--no-ceiling", default=True, show_default=True, help="Bend peaks softly under full scale for the output device.")
@_threshold_option
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped one.")
@click.option("--device", type=click.Choice(["auto", *PROVIDERS]), default="auto", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Threads that share the channels.")
@click.option("-q", "--quiet", is_flag=True, help="No meters.")
def live(
    pipe: str | None,
    source: str | None,
    output: str | None,
    list_devices: bool,
    samplerate: int | None,
    blocksize: int,
    channels: int | None,
    raw: str | None,
    latency: str,
    monitor: Mode,
    record: Path | None,
    overwrite: bool,
    gain: float,
    ceiling: bool,
    threshold: tuple[float, float] | None,
    model: Path | None,
    device: str,
    jobs: int,
    quiet: bool,
) -> None:
    """Restore what comes from an input device, and play it; with - what is piped in. q or Ctrl-C ends it."""
    if list_devices:
        with stdout():
            click.echo(describe(portaudio().query_devices()))
        return
    if pipe and source is not None:
        raise click.UsageError("- and --input are two sources; leave one out")
    if pipe:
        _check_input((pipe,))
    if raw is not None and not (pipe and samplerate and channels):
        raise click.UsageError("--raw tells nothing about rate and channels; use it with -, --samplerate and --channels")
    signal_in = _played(pipe, source, raw, samplerate, channels)
    deviceless = output == "none"
    if deviceless and (signal_in is None or record is None):
        raise click.UsageError("--output none needs a recording with --input, or a pipe, and --record")
    if signal_in is not None and raw is None and (samplerate or channels):
        raise click.UsageError(f"{signal_in.name} says its rate and channels itself; leave --samplerate and --channels out")
    if signal_in is not None:
        samplerate, channels = signal_in.sample_rate, signal_in.channels
    sounddevice = None if deviceless else portaudio()
    chosen = choose(sounddevice, source, output, samplerate, channels, duplex=signal_in is None) if sounddevice else None
    if chosen is not None:
        samplerate, channels = chosen.sample_rate, chosen.channels
    assert samplerate is not None
    assert channels is not None
    session = Session(model or shipped_model("fast"), device)
    if session.info.experts == THOROUGH:
        raise click.UsageError(f"--model {model} sees estimates that take too long for live use; give one of the kind of fast")
    seconds, factor = float(latency.removesuffix("ms")) / 1000, 10 ** (gain / 20)
    with Chain(samplerate, channels, session, seconds, threshold, monitor, factor, ceiling, record, overwrite, jobs) as chain:
        with Keyboard() as keyboard, screen(quiet, keyboard.listening and not deviceless) as show:
            if chosen is None:
                assert signal_in is not None
                rehearse(chain, signal_in.blocks(), show)
            else:
                feed = Feed(chain, signal_in.blocks(), 0.05 if pipe else 1.0) if signal_in is not None else None
                callback = feed.play if feed is not None else chain.duplex
                listen(chain, DeviceStream(sounddevice, chosen, blocksize, callback), feed, keyboard.pressed, show)
        if not quiet:
            click.echo(account(chain.reading()), err=True)
        if chain.recorder is not None and chain.recorder.error is not None:
            raise chain.recorder.error


def _played(
    pipe: str | None, source: str | None, raw: str | None, samplerate: int | None, channels: int | None
) -> Recording | PipedAudio | None:
    """What is played in place of an input device, if anything."""
    if pipe:
        return PipedAudio(raw, samplerate, channels)
    if source is None or not (Path(source).suffix.lower() in FORMATS or Path(source).is_file()):
        return None
    return Recording(Path(source), click.format_filename(source))


@contextmanager
def _matplotlib() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise click.UsageError('--plot needs matplotlib; pip install "declipper[plot]"') from error


@cli.command()
@click.argument("archive", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new model file, for declipper fix --model.")
@click.option("--model", type=click.Path(path_type=Path), help="The model to start from instead of the shipped one.")
@click.option("--clean", multiple=True, type=click.Path(path_type=Path), help="Unclipped recordings to learn from as well.")
@click.option("--from-scratch", is_flag=True, help="Start from random weights.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="How long to train. Usual: 10, unless --steps is given.")
@click.option("--steps", type=click.IntRange(1), help="How many steps to train.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Segments a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1e-4, show_default=True, help="Learning rate.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside the output.")
@click.option("--overwrite", is_flag=True, help="Replace a model file that exists.")
def train(
    archive: tuple[Path, ...],
    output: Path,
    model: Path | None,
    clean: tuple[Path, ...],
    from_scratch: bool,
    minutes: float | None,
    steps: int | None,
    batch: int,
    rate: float,
    seed: int,
    device: str,
    resume: bool,
    overwrite: bool,
) -> None:
    """Learn from the clipped recordings in ARCHIVE (files and folders); no clean ones are needed.

    The new model is written only if it restores held-back recordings better than the one it started from.
    """
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists; use --overwrite to replace it or -o for another name")
    minutes = 10.0 if minutes is None and steps is None else minutes
    with _training() as learn:
        learn(list(archive), output, list(clean), model, from_scratch, steps, minutes, batch, rate, seed, device, resume, _say)


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def _training() -> Iterator[Callable[..., bool]]:
    """The training of `declipper.training`, which is an extra."""
    try:
        from declipper.training.command import train as learn
    except ImportError as error:
        raise click.UsageError(f'training needs more packages ({error.name} is missing); pip install "declipper[train]"') from error
    yield learn


def _adapted(recording: Path, target: Path, model: Path | None, minutes: float, device: str, quiet: bool) -> Session | None:
    """A session with the model fine-tuned on one recording, or None where that did not help."""
    with _training() as learn:
        where = device if device in ("cpu", "cuda") else "auto"
        better = learn([recording], target, [], model, False, None, minutes, 8, 1e-4, 0, where, False, (lambda _: None) if quiet else _say)
    return Session(target, device) if better else None


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for example: declipper completion bash >> ~/.bashrc."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "declipper", "_DECLIPPER_COMPLETE").source())


cli.add_command(plugin)


def _each(files: tuple[str, ...], work: Callable[[str], None]) -> None:
    """Work on every file; a bad one is reported in one line and does not stop the rest, but the exit code."""
    failed = 0
    for name in files:
        try:
            work(name)
        except (InputError, OutputError) as error:
            complain(error)
        except (BrokenPipeError, DeclipperError, click.ClickException):
            raise
        except KeyboardInterrupt:
            complain("interrupted; what was finished is kept, nothing half written is left")
            sys.exit(INTERRUPTED)
        except OSError as error:
            complain(f"{click.format_filename(name)}: {error}; check names and permissions")
        except Exception as error:  # the rest must still be done
            complain(f"{click.format_filename(name)}: failed unexpectedly ({type(error).__name__}: {error}); please report this")
        else:
            continue
        failed += 1
    if failed:
        sys.exit(SOME_FAILED)


def _check_input(files: tuple[str, ...]) -> None:
    if files.count("-") > 1:
        raise click.UsageError("- is named more than once, and standard input holds one recording")
    if "-" in files and sys.stdin.isatty():
        raise click.UsageError("- reads a recording from standard input, which is the terminal; send one in with < or |")


@contextmanager
def _recording(name: str) -> Iterator[Recording]:
    if name == "-":
        with standard_input() as recording:
            yield recording
    else:
        yield Recording(Path(name), click.format_filename(name))


def _target(name: str, output: str | None, suffix: str | None) -> Path:
    """Where the result goes; with -o -, only what it is called."""
    source = Path("stdin") if name == "-" else Path(name)
    plain = f"{source.stem}.declipped.{suffix or 'wav'}"
    if output is None:
        return source.with_name(plain)
    return Path(output) / plain if output != "-" and _is_folder(output) else Path(plain if output == "-" else output)


def _is_folder(output: str) -> bool:
    try:
        return Path(output).is_dir()
    except OSError:  # such as a name that is too long
        return False


def _pour(path: Path) -> None:
    """Copy a file to standard output."""
    with path.open("rb") as file, stdout():
        while piece := file.read(1 << 20):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _stop(_number: int, _frame: object) -> None:
    """Ends the work once: a second Ctrl-C must not break off the removal of what is half written."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: turns errors and Ctrl-C into one line and an exit code."""
    for number in STOPPING:
        signal.signal(number, _stop)
    with sole_use_of_stderr():
        try:
            with stdout():
                cli.main(prog_name="declipper", standalone_mode=False)
        except (click.exceptions.Abort, KeyboardInterrupt):
            complain("interrupted; nothing half written is left")
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "declipper"
            complain(f"{error.format_message()} (see {command} --help)")
            sys.exit(USAGE)
        except DeclipperError as error:
            complain(error)
            sys.exit(SOME_FAILED if isinstance(error, OutputError | DeviceError) else USAGE)


if __name__ == "__main__":
    main()
