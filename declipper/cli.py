"""The command line: `declipper fix`, `declipper inspect`. Options in, one call of the pipeline per file, one line out."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import declipper
from declipper import pipeline
from declipper.errors import DeclipperError, InputError, OutputError
from declipper.files import FORMATS, Recording, standard_input
from declipper.report import ClipReport
from declipper.session import PROVIDERS, Session

OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Threshold(click.ParamType[tuple[float, float]]):
    """'-3' or '-3,-2.5': dBFS for both polarities, or for the positive and the negative one."""

    name = "dBFS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Both thresholds as linear levels above 0."""
        if isinstance(value, tuple):
            return value
        try:
            levels = [float(part) for part in str(value).split(",")]
        except ValueError:
            levels = []
        if len(levels) not in (1, 2) or not all(-120 <= level <= 40 for level in levels):
            self.fail(f"{value!r} is not one dBFS value or two with a comma, for example -3 or -3,-2.5", param, ctx)
        return 10 ** (levels[0] / 20), 10 ** (levels[-1] / 20)


def _threshold_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--threshold", type=Threshold(), help="Clip level by hand, in dBFS: one value, or positive,negative.")(command)


def _files_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(declipper.__version__, prog_name="declipper")
def cli() -> None:
    """Restore clipped recordings."""


@cli.command()
@_files_argument
@click.option("-o", "--output", help="Output file, or folder for several files; - writes WAV to standard output.")
@_threshold_option
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped one.")
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
@click.option("-j", "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Threads. The output is the same for any number.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Levels per channel, loudness and true peak.")
def fix(
    files: tuple[str, ...],
    output: str | None,
    threshold: tuple[float, float] | None,
    model: Path | None,
    device: str,
    suffix: str | None,
    subtype: str | None,
    headroom: str | None,
    match_loudness: bool,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    as_json: bool,
    jobs: int,
    quiet: bool,
    verbose: bool,
) -> None:
    """Restore FILES; each result is NAME.declipped.wav beside its source, 32-bit float at unity gain. - reads standard input."""
    if output == "-" and as_json:
        raise click.UsageError("-o - and --json both want standard output; leave one out")
    if output == "-" and len(files) > 1:
        raise click.UsageError("-o - takes one recording; name one, or a folder with -o")
    if output is not None and output != "-" and len(files) > 1 and not Path(output).is_dir():
        raise click.UsageError(f"-o {output} is not a folder, and {len(files)} recordings need one; make it first with mkdir")
    session = None if dry_run else Session(model, device)
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def work(name: str) -> None:
        with _recording(name) as recording, ExitStack() as stack:
            if dry_run:
                with _progress(console, recording.name, quiet) as progress:
                    report = pipeline.inspect(recording, threshold, progress)
                _tell(console, quiet, as_json, recording.name, f"{_summary(report)}; nothing written", report.as_dict())
                return
            if output == "-":
                folder = stack.enter_context(_scratch_folder())
                target = folder / f"out.{suffix or 'wav'}"
            else:
                target = _target(name, output, suffix)
            if skip_existing and target.exists():
                _tell(console, quiet, as_json, recording.name, f"left out, {target} exists", {"output": str(target), "skipped": True})
                return
            assert session is not None
            started = time.monotonic()
            with _progress(console, recording.name, quiet) as progress:
                done = pipeline.fix(recording, target, session, threshold, subtype, headroom, match_loudness, overwrite, jobs, progress)
            speed = recording.frames / recording.sample_rate / max(time.monotonic() - started, 1e-6)
            if output == "-":
                _pour(target)
            line = f"-> {output if output == '-' else target}: {_summary(done.report)}, peak {_db(done.before.peak)} -> {_db(done.after.peak)} dBFS"
            if done.gain_db:
                line += f", turned by {done.gain_db:+.2f} dB"
            line += f" ({speed:.0f}x real time)"
            if verbose:
                line += f"\n  loudness {done.before.lufs:.1f} -> {done.after.lufs:.1f} LUFS, "
                line += f"true peak {done.before.true_peak_dbtp:+.1f} -> {done.after.true_peak_dbtp:+.1f} dBTP\n" + _table(done.report)
            if done.metadata_problem:
                line += f"\n  warning: {done.metadata_problem}"
            extra = {"output": str(target), "gain_db": done.gain_db, "before": vars(done.before), "after": vars(done.after)}
            _tell(console, quiet, as_json, recording.name, line, done.report.as_dict() | extra)

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
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def work(name: str) -> None:
        with _recording(name) as recording:
            with _progress(console, recording.name, quiet) as progress:
                report = pipeline.inspect(recording, threshold, progress)
            if as_json:
                click.echo(json.dumps({"file": recording.name} | report.as_dict()))
            else:
                click.echo(f"{recording.name}: {_summary(report)}\n{_table(report)}")
            if plot is not None:
                from declipper.plot import plot_clipping  # matplotlib is an extra

                plot_clipping(recording, threshold, plot)

    _each(files, work)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for example: declipper completion bash >> ~/.bashrc."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "declipper", "_DECLIPPER_COMPLETE").source())


def _each(files: tuple[str, ...], work: Callable[[str], None]) -> None:
    """Work on every file; a bad one is reported in one line and does not stop the rest, but the exit code."""
    failed = 0
    for name in files:
        try:
            work(name)
        except (InputError, OutputError) as error:
            click.echo(f"declipper: {error}", err=True)
            failed += 1
    if failed:
        sys.exit(SOME_FAILED)


@contextmanager
def _recording(name: str) -> Iterator[Recording]:
    if name == "-":
        with standard_input() as recording:
            yield recording
    else:
        yield Recording(Path(name))


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="declipper-") as folder:
        yield Path(folder)


def _target(name: str, output: str | None, suffix: str | None) -> Path:
    source = Path("stdin") if name == "-" else Path(name)
    plain = f"{source.stem}.declipped.{suffix or 'wav'}"
    if output is None:
        return source.with_name(plain) if name != "-" else Path(plain)
    return Path(output) / plain if Path(output).is_dir() else Path(output)


def _pour(path: Path) -> None:
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@contextmanager
def _progress(console: Console, name: str, quiet: bool) -> Iterator[pipeline.Progress]:
    """A bar on standard error, only where that is a terminal."""
    if quiet or not console.is_terminal:
        yield pipeline.silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name)

        def update(step: str, done: int, total: int) -> None:
            bar.update(task, description=f"{Path(name).name} {step}", completed=done, total=total)

        yield update


def _tell(console: Console, quiet: bool, as_json: bool, name: str, line: str, values: dict[str, Any]) -> None:
    if as_json:
        click.echo(json.dumps({"file": name} | values))
    elif not quiet:
        console.print(f"{name} {line}" if line.startswith("->") else f"{name}: {line}", markup=False)


def _db(level: float) -> str:
    return f"{20 * _log10(level):+.2f}" if level > 0 else "-inf"


def _log10(value: float) -> float:
    from math import log10

    return log10(value)


def _summary(report: ClipReport) -> str:
    if not report.clipped_samples:
        return "nothing clipped"
    share = f"{report.clipped_percent:.3g}" if report.clipped_percent < 10 else f"{report.clipped_percent:.0f}"
    return f"{share} % clipped in {report.runs} runs, longest {report.longest_run} samples, about {report.overload_db:.1f} dB over"


def _table(report: ClipReport) -> str:
    rows = []
    for number, pair in enumerate(report.channels, 1):
        for sign, p in zip("+-", pair, strict=True):
            if p.level_dbfs is None:
                rows.append(f"  channel {number} {sign}  not clipped")
                continue
            kind = "level changes, median" if p.varies else "level"
            rows.append(
                f"  channel {number} {sign}  {kind} {p.level_dbfs:.2f} dBFS ({p.blur}, {100 * p.confidence:.0f} % sure), "
                f"{p.clipped_samples} samples in {p.runs} runs, longest {p.longest_run}"
            )
    return "\n".join(rows)


def main() -> None:
    """Entry point: turns errors and Ctrl-C into one line and an exit code."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("declipper: interrupted, nothing half written is left", err=True)
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        click.echo("declipper: interrupted, nothing half written is left", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except BrokenPipeError:
        sys.exit(SOME_FAILED)
    except DeclipperError as error:
        click.echo(f"declipper: {error}", err=True)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
