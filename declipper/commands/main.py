"""The command line: `declipper fix`, `declipper inspect`. Options in, one call of the pipeline per file, one line out."""

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
from declipper.commands.console import complain, outcome, print_json, progress_bar, sole_use_of_stderr, stdout, summary, table
from declipper.commands.live import live
from declipper.commands.options import SHIPPED, check_input, model_option, threshold_option
from declipper.commands.plugin import plugin
from declipper.commands.targets import check_output, check_picture, check_targets, target_of
from declipper.commands.train import adapted, minutes_of, train
from declipper.engine.session import PROVIDERS, Session, shipped_model
from declipper.errors import DeclipperError, InputError, ModelError, OutputError
from declipper.files.recording import FORMATS, Recording, standard_input
from declipper.live.worker import STOPPING

SOME_FAILED, USAGE, INTERRUPTED = 1, 2, 130


def _files_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))(command)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(declipper.__version__, prog_name="declipper")
def cli() -> None:
    """Restore clipped recordings."""


@cli.command()
@_files_argument
@click.option("-o", "--output", help="Output file, or folder for several files; - writes WAV to standard output.")
@threshold_option
@click.option("--quality", type=click.Choice(SHIPPED), default="best", show_default=True, help="fast and live are for drafts.")
@model_option("what --quality says")
@click.option(
    "--adapt",
    callback=minutes_of,
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
    check_picture(plot, files, overwrite)
    check_output(files, output)
    check_input(files)
    check_targets(files, [target_of(name, output, suffix) for name in files], overwrite and not skip_existing)
    session = None if dry_run else Session(model or shipped_model("fast" if adapt else quality), device)

    def work(name: str) -> None:
        with _recording(name) as recording, ExitStack() as stack:
            target = target_of(name, output, suffix)
            if output == "-":
                target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-"))) / target.name
            shown = "-" if output == "-" else click.format_filename(target)
            if skip_existing and target.exists():
                tell(recording.name, f": left out, {shown} exists", {"output": shown, "skipped": True})
                return
            pipeline.check_target(recording, target, overwrite, subtype, headroom)
            if session is None:
                with progress_bar(recording.name, quiet) as progress:
                    report = pipeline.inspect(recording, threshold, progress)
                tell(recording.name, f" would become {shown}: {summary(report)}", report.as_dict() | {"output": shown, "dry_run": True})
                return
            chosen = session
            if adapt is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-")))
                chosen = adapted(recording.path, folder / "adapted.onnx", model, adapt, device, threshold, quiet) or session
            started = time.monotonic()
            with progress_bar(recording.name, quiet) as progress:
                done = pipeline.fix(recording, target, chosen, threshold, subtype, headroom, match_loudness, overwrite, jobs, progress)
            if output == "-":
                _pour(target)
            speed = recording.frames / recording.sample_rate / max(time.monotonic() - started, 1e-6)
            extra = {"output": shown, "gain_db": done.gain_db, "before": vars(done.before), "after": vars(done.after)}
            if done.metadata_problem:
                extra["warning"] = done.metadata_problem
            tell(recording.name, f" -> {shown}: {outcome(done, speed, verbose)}", done.report.as_dict() | extra)
            if plot is not None:
                from declipper.measure.plot import plot_restoration

                plot_restoration(recording, target, threshold, plot)

    def tell(name: str, line: str, values: dict[str, Any]) -> None:
        if as_json:
            print_json({"file": name} | values)
        elif not quiet:
            click.echo(name + line, err=True)

    _each(files, work)


@cli.command()
@_files_argument
@threshold_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a PNG: waveform with clipped runs marked, and the histogram of levels."
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def inspect(
    files: tuple[str, ...], threshold: tuple[float, float] | None, as_json: bool, plot: Path | None, overwrite: bool, quiet: bool
) -> None:
    """Report the clipping of FILES: levels per channel and polarity, clipped samples, runs. Nothing is changed."""
    check_picture(plot, files, overwrite)
    check_input(files)

    def work(name: str) -> None:
        with _recording(name) as recording:
            with progress_bar(recording.name, quiet) as progress:
                report = pipeline.inspect(recording, threshold, progress)
            if plot is not None:
                from declipper.measure.plot import plot_clipping

                plot_clipping(recording, threshold, plot)
            if as_json:
                print_json({"file": recording.name} | report.as_dict())
            else:
                with stdout():
                    click.echo(f"{recording.name}: {summary(report)}\n{table(report)}")

    _each(files, work)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for example: declipper completion bash >> ~/.bashrc."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "declipper", "_DECLIPPER_COMPLETE").source())


for command in (live, train, plugin):
    cli.add_command(command)


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


@contextmanager
def _recording(name: str) -> Iterator[Recording]:
    if name == "-":
        with standard_input() as recording:
            yield recording
    else:
        yield Recording(Path(name), click.format_filename(name))


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
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # nohup has a hangup ignored
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
            sys.exit(USAGE if isinstance(error, ModelError) else SOME_FAILED)
        except OSError as error:
            complain(f"{error.filename}: {error.strerror}; check names and permissions")
            sys.exit(SOME_FAILED)


if __name__ == "__main__":
    main()
