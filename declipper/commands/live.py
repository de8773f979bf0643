"""`declipper live`: a chain from a device, a recording or a pipe to a device or to recordings, with meters and keys."""

from __future__ import annotations

import os
from pathlib import Path

import click

from declipper.clipping.levels import Threshold
from declipper.commands.options import device_option, model_option, threshold_option
from declipper.commands.recordings import check_input
from declipper.engine.session import Session, shipped_model
from declipper.errors import OutputError
from declipper.files.formats import FORMATS
from declipper.files.piped import RAW, PipedAudio
from declipper.files.recording import Recording
from declipper.live.chain import Chain
from declipper.live.devices import Wanted, chosen_elsewhere, describe, devices_of, portaudio
from declipper.live.feed import Feed
from declipper.live.monitor import MODES, Listening, Mode
from declipper.live.player import Player
from declipper.live.recorder import Take
from declipper.live.transport import listen, rehearse
from declipper.media.recording import recording_at
from declipper.terminal.console import stdout
from declipper.terminal.keyboard import Keyboard
from declipper.terminal.meters import account, screen

READ_AHEAD = 1.0
"""Seconds of a recording that are read before the device starts, so that a slow disk is not heard."""
USUAL_MODELS = {"20ms": "plugin", "40ms": "plugin", "80ms": "live"}
"""The model for each latency. The methods that `live` hears take as long for a short hop as for a long one; at short latencies lighter
ones are done in time, and restore less (`python -m declipper.training.studies.live.lookahead`)."""
PIPE_AHEAD = 0.05
"""Seconds of a pipe that are read before the device starts: what waits there is heard later."""


@click.command()
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
@threshold_option
@model_option("live")
@device_option
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
    threshold: Threshold | None,
    model: Path | None,
    device: str,
    quiet: bool,
) -> None:
    """Restore what comes from an input device, and play it; with - what is piped in. q or Ctrl-C ends it."""
    if list_devices:
        with stdout():
            click.echo(describe(devices_of(portaudio())))
        return
    if pipe and source is not None:
        raise click.UsageError("- and --input are two sources; leave one out")
    if pipe:
        check_input((pipe,))
    if raw is not None and not (pipe and samplerate and channels):
        raise click.UsageError("--raw tells nothing about rate and channels; use it with -, --samplerate and --channels")
    signal_in = PipedAudio(raw, sample_rate=samplerate, channels=channels) if pipe else _recording(source)
    deviceless = output == "none"
    if deviceless and (signal_in is None or record is None):
        raise click.UsageError("--output none needs a recording with --input, or a pipe, and --record")
    if signal_in is not None and raw is None and (samplerate or channels):
        raise click.UsageError(f"{signal_in.name} says its rate and channels itself; leave --samplerate and --channels out")
    if signal_in is not None:
        samplerate, channels = signal_in.sample_rate, signal_in.channels
    take = Take(record, overwrite) if record is not None else None
    if take is not None and signal_in is not None:
        _keep_apart(signal_in, take)
    chosen = None
    if not deviceless:
        chosen = chosen_elsewhere(Wanted(source=source, output=output, sample_rate=samplerate, channels=channels, duplex=signal_in is None))
        samplerate, channels = chosen.sample_rate, chosen.channels
    assert samplerate is not None
    assert channels is not None
    session = Session(model or shipped_model(USUAL_MODELS[latency]), device)
    if not session.info.experts.serves_live:
        raise click.UsageError(f"--model {model} sees estimates that take too long for live use; give live, or one made from it")
    seconds = float(latency.removesuffix("ms")) / 1000
    listening = Listening(monitor, 10 ** (gain / 20), ceiling)
    with Chain(samplerate, channels, session=session, latency=seconds, threshold=threshold, listening=listening, take=take) as chain:
        with Keyboard() as keyboard, screen(quiet, keyboard.listening and not deviceless) as show:
            if chosen is not None:
                feed = _feed(chain, signal_in)
                player = Player(chosen, feed.callback if feed is not None else chain.monitor.duplex, blocksize=blocksize)
                listen(chain, player, feed=feed, show=show, keys=keyboard.pressed)
            elif signal_in is not None:
                rehearse(chain, signal_in.blocks(), show=show, keys=keyboard.pressed)
        if not quiet:
            click.echo(account(chain.reading()), err=True)
        if chain.recorder is not None and chain.recorder.error is not None:
            raise chain.recorder.error


def _feed(chain: Chain, signal_in: Recording | PipedAudio | None) -> Feed | None:
    """What is played in place of an input device, on its way into the chain."""
    if signal_in is None:
        return None
    piped = isinstance(signal_in, PipedAudio)
    return Feed(chain, signal_in.blocks(), ahead=PIPE_AHEAD if piped else READ_AHEAD, pipe=piped)


def _keep_apart(source: Recording | PipedAudio, take: Take) -> None:
    """Raises OutputError where what is recorded would take the place of what is played."""
    played = source.path.stat() if isinstance(source, Recording) else os.fstat(0)
    for path in (take.path, take.raw):
        try:
            same = os.path.samestat(path.stat(), played)
        except OSError:  # not there, or out of reach, which the recorder tells
            continue
        if same:
            raise OutputError(f"{path}: is the recording that is played, which is never overwritten; record under another name")


def _recording(source: str | None) -> Recording | None:
    """The recording that --input names, None where it names a device."""
    if source is None or not (Path(source).suffix.lower() in FORMATS or Path(source).is_file()):
        return None
    return recording_at(Path(source), click.format_filename(source))
