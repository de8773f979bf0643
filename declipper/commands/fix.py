"""`declipper fix`: the pipeline on every recording named, and a line about what it did."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from declipper import pipeline
from declipper.archive.job import UNCLIPPED, Outcome, Settings, Unclipped
from declipper.archive.tree import Picking, is_archive
from declipper.clipping.levels import Threshold
from declipper.commands.archives import Archive, Results, archive_options, fix_archive, inspect_archive
from declipper.commands.options import device_option, memory_of, model_option, threshold_option
from declipper.commands.recordings import (
    check_input,
    check_one,
    check_output,
    check_picture,
    check_targets,
    each,
    files_argument,
    opened,
    refuse_without_archive,
    stream_option,
    target_of,
    truncated_option,
    usual_ending,
)
from declipper.commands.train import adapted, minutes_of
from declipper.engine.session import SHIPPED
from declipper.files.delivery import HEADROOMS, Headroom
from declipper.files.formats import FORMATS
from declipper.files.recording import Truncated
from declipper.measure.plot import plot_restoration
from declipper.media.formats import CODECS, CONTAINERS, MediaFormat, Sound
from declipper.media.recording import MediaRecording, recording_at
from declipper.page.output import write_page
from declipper.soundtrack import as_wav, fix_soundtrack, streams_of
from declipper.terminal.console import by_stream, complain, numbered, outcome, print_json, printable, stdout, story, summary
from declipper.terminal.progress import Display
from declipper.workers import pool
from declipper.workers.machine import cores


def _bits_per_second(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """'320k' or '320000'."""
    if value is None:
        return None
    digits = value.lower().removesuffix("k")
    if not digits.isdecimal() or not 8000 <= (rate := int(digits) * (1000 if value.lower().endswith("k") else 1)) <= 1_000_000:
        raise click.BadParameter(f"{value!r} is not a bit rate such as 320k")
    return rate


@click.command()
@files_argument
@click.option("-o", "--output", help="Output file, or folder for several files; - writes WAV to standard output.")
@threshold_option
@truncated_option
@stream_option
@click.option("--audio-only", is_flag=True, help="The sound of a video alone, as WAV.")
@click.option("--quality", type=click.Choice(SHIPPED), default="best", show_default=True, help="fast and live are for drafts.")
@model_option("what --quality says")
@click.option(
    "--adapt",
    callback=minutes_of,
    metavar="TIME",
    help="Fine-tune the fast model, or --model, on each recording first, for example 5m. Needs declipper[train].",
)
@device_option
@click.option(
    "--format",
    "suffix",
    type=click.Choice([s[1:] for s in (*FORMATS, *CONTAINERS)]),
    help="Output format where -o names no file. Usual: wav; a video stays one.",
)
@click.option("--subtype", help="Sample type as libsndfile names it: FLOAT, DOUBLE, PCM_16, PCM_24, ... Usual: FLOAT for wav.")
@click.option(
    "--audio-codec",
    type=click.Choice(list(CODECS)),
    help="Of the sound in a container such as .mp4. Usual: lossless, alac in .mp4 and .m4a, flac in .mkv, pcm in .mov.",
)
@click.option("--bitrate", callback=_bits_per_second, metavar="RATE", help="Of a lossy --audio-codec, for example 320k.")
@click.option(
    "--headroom",
    type=click.Choice(HEADROOMS),
    help="Room for restored peaks: keep them (float), turn the whole file down (attenuate), limit, or clip again. "
    "Usual: float where the format holds it, else attenuate.",
)
@click.option("--unwrap", is_flag=True, help="Put back samples that overflowed, and so wrapped around full scale, where that is certain.")
@click.option("--match-loudness", is_flag=True, help="Turn the result to the loudness (LUFS) of the input.")
@click.option("--overwrite", is_flag=True, help="Replace an output file that exists, or that a link leads to. The input is never replaced.")
@click.option("--skip-existing", is_flag=True, help="Leave out recordings whose output exists.")
@click.option("--dry-run", is_flag=True, help="Report what would be done; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file on standard output.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a PNG of the place with the most clipping, before and after.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page to hear and see before and after.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=cores,
    help="Processes that share what takes long. The output is the same for any number. Usual: as many as there are cores and memory for.",
)
@click.option("--memory", callback=memory_of, metavar="SIZE", help="Most memory to take, for example 4G: with less, fewer processes.")
@archive_options
@click.option("--unclipped", type=click.Choice(UNCLIPPED), help="What stands among the results for what is not clipped. Usual: copy.")
@click.option("--retry-failed", is_flag=True, help="Try those recordings of folders again that failed before.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Of an archive. Usual: declipper.jsonl in the folder of the results.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Levels per channel, loudness and true peak.")
def fix(
    files: tuple[str, ...],
    output: str | None,
    threshold: Threshold | None,
    truncated: Truncated,
    stream: int | None,
    audio_only: bool,
    quality: str,
    model: Path | None,
    adapt: float | None,
    device: str,
    suffix: str | None,
    subtype: str | None,
    audio_codec: str | None,
    bitrate: int | None,
    headroom: Headroom | None,
    unwrap: bool,
    match_loudness: bool,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    as_json: bool,
    plot: Path | None,
    report: Path | None,
    jobs: int,
    memory: int | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    scheduler: str | None,
    unclipped: Unclipped | None,
    retry_failed: bool,
    manifest: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Restore FILES; each result is NAME.declipped.wav beside its source, 32-bit float at unity gain, and of a video a video in which
    only the sound is another. - reads standard input.

    FILES may be folders, or addresses such as s3://bucket/folder; then -o names the folder where the results go, in folders of the same
    names, and declipper.jsonl, with which the same call goes on after an interruption.
    """
    settings = Settings(
        model or ("fast" if adapt else quality),
        device,
        threshold,
        truncated,
        suffix,
        subtype,
        headroom,
        match_loudness,
        unwrap,
        stream,
        Sound(audio_codec, bitrate, alone=audio_only),
    )
    if scheduler or any(map(is_archive, files)):
        if adapt is not None or plot is not None or report is not None:
            named = "--plot" if plot else "--report" if report else "--adapt"
            raise click.UsageError(f"{named} takes recordings, not folders; call it once for each")
        if suffix is not None and f".{suffix}" in CONTAINERS:
            raise click.UsageError(f"--format {suffix} is for single recordings; from folders come files of sound, such as --format flac")
        archive = Archive(files, Picking(include, exclude), scheduler, jobs, memory, quiet, as_json, verbose)
        results = Results(output, manifest, unclipped or "copy", overwrite, skip_existing, retry_failed)
        if dry_run:
            inspect_archive(archive, settings, results)
        else:
            fix_archive(archive, settings, results)
        return
    refuse_without_archive(include=include, exclude=exclude, unclipped=unclipped, retry_failed=retry_failed, manifest=manifest)
    if output == "-" and as_json:
        raise click.UsageError("-o - and --json both want standard output; leave one out")
    check_picture(plot, files, overwrite=overwrite)
    if report is not None:
        check_one("--report", report, files, ending=".html", overwrite=overwrite)
    check_output(files, output)
    check_input(files)
    targets = [target_of(name, output, suffix=suffix or usual_ending(name, audio_only=audio_only)) for name in files]
    check_targets(files, targets, replacing=overwrite and not skip_existing)
    session = None if dry_run else settings.session()

    def work(name: str, display: Display) -> None:
        with opened(name, settings) as recording, ExitStack() as stack:
            target = targets[files.index(name)]
            if output == "-":
                target = _new_folder(stack) / target.name
            shown = "-" if output == "-" else click.format_filename(target)
            if skip_existing and target.exists():
                tell(display, recording.name, f": left out, {printable(shown)} exists", {"output": shown, "skipped": True})
                return
            delivery = settings.delivery(recording, target, overwrite=overwrite)
            in_container = isinstance(delivery.format, MediaFormat)
            sounds = streams_of(recording) if in_container and stream is None else [recording]
            if isinstance(recording, MediaRecording) and recording.streams > 1 and not in_container and stream is None:
                recording.notes.append(
                    f"it has {recording.streams} streams of sound; this is number {recording.stream}, --stream names another"
                )
            if session is None:
                found = [pipeline.inspect(one, threshold, progress=display.update) for one in sounds]
                tell(
                    display,
                    recording.name,
                    f" would become {printable(shown)}: " + "\n  ".join(numbered(sounds, [summary(r) + story(r) for r in found])),
                    by_stream(sounds, [r.as_dict() for r in found]) | {"output": shown, "dry_run": True},
                )
                return
            chosen = session
            if adapt is not None:
                better = _new_folder(stack) / "adapted.onnx"
                source = as_wav(recording, _new_folder(stack)) if isinstance(recording, MediaRecording) else recording.path
                own = adapted(source, better, model=model, minutes=adapt, device=device, threshold=threshold, display=display)
                chosen = own or session
            started = time.monotonic()
            if in_container:
                done = fix_soundtrack(
                    sounds, delivery, session=chosen, threshold=threshold, unwrap=unwrap, workers=workers, progress=display.update
                )
            else:
                only = pipeline.fix(
                    recording, delivery, session=chosen, threshold=threshold, unwrap=unwrap, workers=workers, progress=display.update
                )
                done = [only]
            display.hide()
            if output == "-":
                _pour(target)
            seconds, frames = time.monotonic() - started, sum(one.frames for one in sounds)
            made = [
                Outcome("restored", seconds * one.frames / max(1, frames), fixed=d, notes=tuple(one.notes))
                for one, d in zip(sounds, done, strict=True)
            ]
            linked = f" ({printable(click.format_filename(target.resolve()))})" if target.is_symlink() else ""
            tell(
                display,
                recording.name,
                f" -> {printable(shown)}{linked}: " + "\n  ".join(numbered(sounds, [outcome(one, verbose=verbose) for one in made])),
                by_stream(sounds, [one.figures() for one in made]) | {"output": shown},
            )
            if plot is not None:
                plot_restoration(recording, recording_at(target, stream=stream), levels=done[0].report.levels, path=plot)
            if report is not None:
                write_page(recording, recording_at(target, shown, stream=stream), done[0].report, path=report, overwrite=overwrite)

    def tell(display: Display, name: str, line: str, values: dict[str, Any]) -> None:
        display.hide()
        if as_json:
            print_json({"file": name} | values)
        else:
            display.say(printable(name) + line)

    with pool(jobs, memory=memory, tell=complain) as workers:
        each(files, work, quiet=quiet)


def _new_folder(stack: ExitStack) -> Path:
    """A folder that goes when the recording is done."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-")))


def _pour(path: Path) -> None:
    """Copy a file to standard output."""
    with path.open("rb") as file, stdout():
        while piece := file.read(1 << 20):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
