"""Devices are found by number or name, and every refusal is one clear line; no device is needed here."""

from __future__ import annotations

import sys
import types

import pytest

from declipper.errors import DeviceError
from declipper.live.devices import DeviceStream, Wanted, choose, describe, devices_of, find_device, portaudio


def device(name: str, inputs: int, outputs: int, rate: float = 48000.0) -> dict:
    return {"name": name, "max_input_channels": inputs, "max_output_channels": outputs, "default_samplerate": rate}


DEVICES = [device("HDMI", 0, 8, 44100.0), device("USB Mic", 1, 0), device("USB Mic Pro", 2, 0), device("Speakers", 0, 2)]


class PortAudioError(Exception):
    pass


class Fake:
    """As much of the sounddevice module as is used."""

    PortAudioError = PortAudioError
    default = types.SimpleNamespace(device=[1, 3])

    def __init__(self, devices=DEVICES, problem: str = "") -> None:
        self.devices, self.problem, self.opened = devices, problem, {}

    def query_devices(self):
        return self.devices

    def Stream(self, **options):
        if self.problem:
            raise PortAudioError(self.problem)
        self.opened = options

    OutputStream = Stream


def test_found_by_number_name_and_default() -> None:
    assert find_device(DEVICES, "2", kind="input", usual=-1) == 2
    assert find_device(DEVICES, "speak", kind="output", usual=-1) == 3
    assert find_device(DEVICES, "usb mic", kind="input", usual=-1) == 1
    assert find_device(DEVICES, "PRO", kind="input", usual=-1) == 2
    assert find_device(DEVICES, None, kind="output", usual=3) == 3
    assert find_device(DEVICES, None, kind="output", usual=-1) == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("usb", "fits more than one input device: 1 'USB Mic', 2 'USB Mic Pro'; use a number"),
        ("9", "has number 9"),
        ("piano", "'piano' in its name"),
    ],
)
def test_not_found(wanted: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        find_device(DEVICES, wanted, kind="input", usual=-1)


def test_none_at_all() -> None:
    with pytest.raises(DeviceError, match="no input device found"):
        find_device([], None, kind="input", usual=-1)
    assert describe([]) == "no audio device found"
    assert describe(DEVICES).splitlines()[1].split() == ["1", "USB", "Mic,", "1", "in,", "0", "out,", "48000", "Hz"]


def test_usual_rate_and_channels() -> None:
    chosen = choose(Fake(), Wanted())
    assert (chosen.numbers, chosen.sample_rate, chosen.channels) == ({"input": 1, "output": 3}, 48000, 1)
    chosen = choose(Fake(), Wanted(output="hdmi", duplex=False))
    assert (chosen.numbers, chosen.sample_rate, chosen.channels) == ({"output": 0}, 44100, 2)
    with pytest.raises(DeviceError, match="'USB Mic' has 1 input channels, not the 2 wanted"):
        choose(Fake(), Wanted(channels=2))


def test_a_busy_device_is_one_line() -> None:
    fake = Fake(problem="Device unavailable\n[PaErrorCode -9985]")
    with pytest.raises(
        DeviceError, match=r"'USB Mic' and 'Speakers' cannot be opened at 96000 Hz .*Device unavailable \[PaErrorCode -9985\]"
    ) as caught:
        DeviceStream(fake, choose(fake, Wanted(sample_rate=96000)), blocksize=0, callback=print)
    assert "\n" not in str(caught.value)


def test_opened_as_chosen() -> None:
    fake = Fake()
    DeviceStream(fake, choose(fake, Wanted(source="pro")), blocksize=64, callback=print)
    assert fake.opened["device"] == (2, 3)
    assert (fake.opened["blocksize"], fake.opened["dtype"]) == (64, "float32")


@pytest.mark.parametrize(
    ("problem", "hint"),
    [
        (ImportError(), r"pip install \"declipper\[live\]\""),
        (OSError(), "apt install libportaudio2"),
        (Exception("Error initializing PortAudio"), r"does not start \(Error initializing PortAudio\)"),
    ],
)
def test_missing_portaudio_names_the_package(problem: Exception, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise problem

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(DeviceError, match=hint):
        portaudio()


def test_devices_that_fail_while_they_are_asked_are_one_line() -> None:
    class Failing(Fake):
        def query_devices(self):
            raise PortAudioError("Internal error\n[PaErrorCode -9986]")

    with pytest.raises(DeviceError, match=r"cannot be listed \(Internal error \[PaErrorCode -9986\]\); check"):
        devices_of(Failing())
    with pytest.raises(DeviceError, match="cannot be listed"):
        choose(Failing(), Wanted())


def test_a_device_that_went_away_is_not_active_and_closes() -> None:
    class Gone:
        @property
        def active(self):
            raise PortAudioError("gone")

        def close(self):
            raise PortAudioError("gone")

    class Going(Fake):
        def Stream(self, **_):
            return Gone()

    fake = Going()
    stream = DeviceStream(fake, choose(fake, Wanted()), blocksize=0, callback=print)
    assert not stream.active
    assert stream.close()
