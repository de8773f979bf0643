"""Every host gives what the core alone gives, and brings settings back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hosts import HOSTS, Host, judge
from material import BUILD, BUNDLE, CLAP, RATE, VST3, by_core, expected, given, piped, tones

MONO_CLAP = CLAP.with_name("declipper-mono.clap")
MONO_VST3 = VST3.with_name("declipper-mono.vst3")
SILENCE = np.zeros((2, 512), np.float32)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_host(host: Host) -> None:
    finding = judge(host)
    assert finding.as_the_core
    assert finding.reliable_kept
    assert finding.raised > 0.2


def test_description_is_valid() -> None:
    subprocess.run(["lv2_validate", *map(str, BUNDLE.glob("*.ttl"))], check=True)


@pytest.mark.parametrize("path", [CLAP, MONO_CLAP], ids=lambda path: path.stem)
def test_qtractor_finds_the_clap(path: Path) -> None:
    scanner = next(Path("/usr/lib").glob("*/qtractor/qtractor_plugin_scan"))
    done = subprocess.run([scanner], input=f"clap:{path}\n", capture_output=True, text=True, check=True)
    channels = 1 if path == MONO_CLAP else 2
    assert f"|{channels}:{channels}|" in done.stdout
    assert done.stdout.startswith("CLAP|Declipper")


def test_clap_state() -> None:
    half = piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", "480", "makeup=-6", "mix=100"], given())
    np.testing.assert_allclose(half, expected() * 10 ** (-6 / 20), rtol=1e-6)


@pytest.mark.parametrize("meter", ["detected_pos", "detected_neg", "clipped_pct"])
def test_a_host_that_sets_a_meter(meter: str) -> None:
    out = piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", "480", f"{meter}=50"], given())
    np.testing.assert_array_equal(out, expected())


def test_mono_clap() -> None:
    mono = tones(1, channels=1, seed=1)
    out = piped([str(BUILD / "tests/clap_host"), str(MONO_CLAP), str(RATE), "1", "100"], mono)
    np.testing.assert_array_equal(out, by_core(mono))


@pytest.mark.parametrize("rate", [22050, 96000])
def test_latency_follows_the_sample_rate(rate: int) -> None:
    """Both are made at another rate than they are run at."""
    import pedalboard

    signal = tones(1, rate=rate, seed=5)
    vst3 = pedalboard.load_plugin(str(VST3))
    np.testing.assert_array_equal(vst3(SILENCE, RATE), SILENCE)
    np.testing.assert_array_equal(vst3(signal.T, rate).T, by_core(signal, rate))
    clap = piped([str(BUILD / "tests/clap_host"), str(CLAP), str(rate), "2", "100"], signal)
    np.testing.assert_array_equal(clap, by_core(signal, rate))


def test_an_impossible_sample_rate_gives_silence() -> None:
    out = piped([str(BUILD / "tests/clap_host"), str(CLAP), "100", "2", "64"], given()[:1000])
    np.testing.assert_array_equal(out, 0)


def test_vst3_state_in_pedalboard() -> None:
    import pedalboard

    first, second = (pedalboard.load_plugin(str(VST3)) for _ in range(2))
    first.makeup_db, first.delta, first.threshold_negative_db, first.bypass = -6.0, True, -3.5, True
    first(SILENCE, RATE)  # a VST3 learns of changes when it runs
    second.raw_state = first.raw_state
    assert second.makeup_db == pytest.approx(-6.0, abs=0.1)
    assert second.threshold_negative_db == pytest.approx(-3.5, abs=0.1)
    assert second.delta
    assert second.bypass


def test_vst3_state_in_minihost() -> None:
    import minihost

    first, second = (minihost.Plugin(str(VST3), RATE, 512) for _ in range(2))
    index = next(i for i in range(first.num_params) if first.get_param_info(i)["name"] == "Makeup")
    first.set_param(index, 0.25)
    first.process(SILENCE, np.empty_like(SILENCE))
    second.set_state(first.get_state())
    assert second.get_param(index) == pytest.approx(0.25)


def test_mono_vst3() -> None:
    import pedalboard

    mono = tones(1, channels=1, seed=1)
    np.testing.assert_array_equal(pedalboard.load_plugin(str(MONO_VST3))(mono.T, RATE).T, by_core(mono))
