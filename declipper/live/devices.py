"""Audio devices through PortAudio: found by number or part of the name, opened, and every refusal in one clear line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal

from declipper.errors import DeviceError

Kind = Literal["input", "output"]
Callback = Callable[..., None]
PATIENCE = 3.0
"""Seconds a device gets to close; a healthy one needs a fraction of one."""
USUAL_CHANNELS = 2
"""Channels at most where none are asked for: of an interface with many inputs, the others hardly belong to the same signal."""


def portaudio() -> Any:
    """The `sounddevice` module. Raises DeviceError where it, or the PortAudio library under it, is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError('live audio needs the sounddevice package; pip install "declipper[live]"') from error
    except OSError as error:
        raise DeviceError(
            "live audio needs the PortAudio library, which is not installed; apt install libportaudio2, or dnf install portaudio"
        ) from error
    except Exception as error:  # PortAudioError, a class of the module that could not be imported
        raise DeviceError(f"PortAudio does not start ({' '.join(str(error).split())}); check that the sound system runs") from error
    return sounddevice


def devices_of(sounddevice: Any) -> Sequence[dict[str, Any]]:
    """All devices. Raises DeviceError where PortAudio fails while it asks them."""
    try:
        devices: Sequence[dict[str, Any]] = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        reason = " ".join(str(error).split())
        raise DeviceError(f"the audio devices cannot be listed ({reason}); check that the sound system runs") from error
    return devices


def _channels(device: dict[str, Any], kind: Kind) -> int:
    return int(device[f"max_{kind}_channels"])


def describe(devices: Sequence[dict[str, Any]]) -> str:
    """A line for each device: number, name, channels, usual sample rate."""
    if not devices:
        return "no audio device found"
    return "\n".join(
        f"{number:3d}  {d['name']}, {_channels(d, 'input')} in, {_channels(d, 'output')} out, {d['default_samplerate']:.0f} Hz"
        for number, d in enumerate(devices)
    )


def find_device(devices: Sequence[dict[str, Any]], wanted: str | None, *, kind: Kind, usual: int) -> int:
    """The number of the device of `kind` that `wanted` means: a number, or part of a name in any case; None takes `usual` (-1: none).

    Raises DeviceError where there is none, or more than one that no exact name decides between.
    """
    fitting = [number for number, d in enumerate(devices) if _channels(d, kind)]
    if not fitting:
        raise DeviceError(f"no {kind} device found; plug one in, or see declipper live --list-devices")
    if wanted is None:
        return usual if usual in fitting else fitting[0]
    if wanted.isdigit():
        if int(wanted) in fitting:
            return int(wanted)
        raise DeviceError(f"no {kind} device has number {wanted}; there are {_names(devices, fitting)}")
    named = [n for n in fitting if wanted.lower() in devices[n]["name"].lower()]
    exact = [n for n in named if wanted.lower() == devices[n]["name"].lower()]
    if len(exact) == 1 or len(named) == 1:
        return (exact if len(exact) == 1 else named)[0]
    if named:
        raise DeviceError(f"{wanted!r} fits more than one {kind} device: {_names(devices, named)}; use a number")
    raise DeviceError(f"no {kind} device has {wanted!r} in its name; there are {_names(devices, fitting)}")


def _names(devices: Sequence[dict[str, Any]], numbers: Sequence[int]) -> str:
    return ", ".join(f"{n} {devices[n]['name']!r}" for n in numbers)


@dataclass(frozen=True)
class Chosen:
    """Devices to open, by number, and how."""

    numbers: dict[Kind, int]
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Wanted:
    """What the user asks of devices: number or part of a name of each, sample rate in Hz, channels; None leaves it to the devices.

    duplex: whether there is an input device, or an output device alone.
    """

    source: str | None = None
    output: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duplex: bool = True


def choose(sounddevice: Any, wanted: Wanted) -> Chosen:
    """The devices that are wanted, at the rate and with the channels asked for or usual.

    Usual is the first device's own rate, and as many channels as all devices have, 2 at most. Raises DeviceError where there are none.
    """
    devices = devices_of(sounddevice)
    usual = sounddevice.default.device
    numbers: dict[Kind, int] = {"input": find_device(devices, wanted.source, kind="input", usual=usual[0])} if wanted.duplex else {}
    numbers["output"] = find_device(devices, wanted.output, kind="output", usual=usual[1])
    for kind, number in numbers.items():
        has = _channels(devices[number], kind)
        if wanted.channels is not None and wanted.channels > has:
            name = devices[number]["name"]
            raise DeviceError(f"{name!r} has {has} {kind} channels, not the {wanted.channels} wanted; use another device")
    most = min(USUAL_CHANNELS, *(_channels(devices[number], kind) for kind, number in numbers.items()))
    first = next(iter(numbers.values()))
    return Chosen(numbers, wanted.sample_rate or int(devices[first]["default_samplerate"]), wanted.channels or most)


def chosen_elsewhere(wanted: Wanted) -> Chosen:
    """`choose` in a process that then ends, which leaves the sound system to the process that plays.

    One that has it open and does nothing would delay it, and fail with it. Raises DeviceError.
    """
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            return process.submit(_chosen, wanted).result()
    except BrokenExecutor as error:
        raise DeviceError("PortAudio ended the process that looks for devices; check that the sound system runs") from error


def _chosen(wanted: Wanted) -> Chosen:
    return choose(portaudio(), wanted)


class DeviceStream:
    """An open stream of 32-bit floats. Raises DeviceError where a device refuses."""

    def __init__(self, sounddevice: Any, chosen: Chosen, *, blocksize: int, callback: Callback) -> None:
        """callback: called as `sounddevice.Stream` calls it, or `OutputStream` where no input is chosen; blocksize 0: the device's own."""
        self._sounddevice = sounddevice
        options = {
            "samplerate": chosen.sample_rate,
            "channels": chosen.channels,
            "blocksize": blocksize,
            "dtype": "float32",
            "latency": "low",
            "callback": callback,
        }
        numbers = chosen.numbers
        try:
            if "input" in numbers:
                self._stream = sounddevice.Stream(device=(numbers["input"], numbers["output"]), **options)
            else:
                self._stream = sounddevice.OutputStream(device=numbers["output"], **options)
        except (sounddevice.PortAudioError, ValueError) as error:
            devices = devices_of(sounddevice)
            names = " and ".join(repr(devices[number]["name"]) for number in dict.fromkeys(numbers.values()))
            usual = devices[numbers["output"]]["default_samplerate"]
            raise DeviceError(
                f"{names} cannot be opened at {chosen.sample_rate} Hz with {chosen.channels} channels ({' '.join(str(error).split())}); "
                f"close other programs that use it, or use its own {usual:.0f} Hz"
            ) from error

    def start(self) -> None:
        """Begin to call the callback. Raises DeviceError where the device does not start."""
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(
                f"the audio device does not start ({' '.join(str(error).split())}); close other programs that use it"
            ) from error

    @property
    def active(self) -> bool:
        """Whether the callback is being called; False too where PortAudio cannot tell, of a device that went away."""
        try:
            return bool(self._stream.active)
        except self._sounddevice.PortAudioError:
            return False

    def close(self) -> bool:
        """End the stream; False where a device that went away does not let go of it, and will not at the end of the process either."""
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(PATIENCE)
        return not closing.is_alive()

    def _close(self) -> None:
        with suppress(self._sounddevice.PortAudioError):  # of a device that went away
            self._stream.close()
