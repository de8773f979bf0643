"""The plugin built for Windows renders under Wine what the one for Linux renders, bit for bit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from material import BUILD, BUNDLE, CLAP, LEVEL, RATE, RENDER, VST3, Audio, by_core, expected, given, piped, tones

from declipper.engine.session import shipped_model

WINDOWS = BUILD / "windows"
HOST = Path(__file__).with_name("windows_host.py")
LIBRARIES = {"KERNEL32.dll", "msvcrt.dll"}
"""What every Windows has."""

pytestmark = pytest.mark.skipif(
    not (WINDOWS / "wine").is_dir() or shutil.which("wine") is None, reason="needs Wine, and what windows.sh builds"
)


def built(path: Path) -> Path:
    """What the build for Windows has in place of a file of the one for Linux."""
    return WINDOWS / path.relative_to(BUILD)


@pytest.fixture(autouse=True)
def wine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wine's folder, and nothing of its own on standard error."""
    monkeypatch.setenv("WINEPREFIX", str(WINDOWS / "wine/prefix"))
    monkeypatch.setenv("WINEDEBUG", "-all")


@pytest.mark.parametrize("levels", [(), (LEVEL, LEVEL)], ids=["found", "given"])
@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000, 192000])
def test_core(rate: int, levels: tuple[float, ...]) -> None:
    signal = tones(1, rate=rate, seed=6)
    linux = by_core(signal, rate, *levels)
    assert np.mean(linux != signal) > 0.05
    np.testing.assert_array_equal(by_core(signal, rate, *levels, program=("wine", f"{built(RENDER)}.exe")), linux)


def test_every_set_of_inner_loops(tmp_path: Path) -> None:
    golden = np.load(shipped_model("live").with_suffix(".golden.npz"))
    golden["y"].astype("<f4").tofile(tmp_path / "in")
    program = BUILD / "core/declipper_core_estimate"
    subprocess.run([program, BUILD / "core/model.flat", tmp_path / "in", tmp_path / "linux"], check=True)
    subprocess.run(["wine", f"{built(program)}.exe", BUILD / "core/model.flat", tmp_path / "in", tmp_path / "windows"], check=True)
    assert (tmp_path / "linux").read_bytes() == (tmp_path / "windows").read_bytes()


SETTINGS = {"makeup": (-24, 12), "ceiling": (-12, 3), "mix": (0, 100), "auto": (0, 0), "thresh_pos": (-9, -6.1), "thresh_neg": (-9, -6.1)}
"""The least and the most of each."""


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_clap_with_any_settings(seed: int | None) -> None:
    rng = np.random.default_rng(seed)
    settings = [f"{symbol}={rng.uniform(*bounds)}" for symbol, bounds in SETTINGS.items() if seed is not None]
    host, words = BUILD / "tests/clap_host", (str(RATE), "2", "333", *settings)
    linux = piped([str(host), str(CLAP), *words], given())
    assert not np.array_equal(linux, given())
    np.testing.assert_array_equal(piped(["wine", f"{built(host)}.exe", str(built(CLAP)), *words], given()), linux)


def by_windows_host(bundle: Path, signal: Audio) -> Audio:
    """Through Windows' Python, which takes names as Windows has them, and under Wine no standard stream that is a file."""
    python, name = WINDOWS / "wine/python/python.exe", "Z:" + str(built(bundle)).replace("/", "\\")
    command = ["wine", str(python), str(HOST), name, str(RATE), str(signal.shape[1])]
    done = subprocess.run(command, input=signal.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.float32).reshape(signal.shape)


@pytest.mark.parametrize("bundle", [BUNDLE, VST3], ids=["lv2", "vst3"])
def test_hosts_written_for_windows(bundle: Path) -> None:
    np.testing.assert_array_equal(by_windows_host(bundle, given()), expected())


@pytest.mark.parametrize("bundle", [BUNDLE, VST3.with_name("declipper-mono.vst3")], ids=["lv2", "vst3"])
def test_mono(bundle: Path) -> None:
    mono = tones(1, channels=1, seed=1)
    np.testing.assert_array_equal(by_windows_host(bundle, mono), by_core(mono))


def test_nothing_but_the_system_is_needed_and_nothing_but_entries_shows() -> None:
    entries = {"lv2": {"lv2_descriptor"}, "clap": {"clap_entry"}, "vst3": {"GetPluginFactory", "InitDll", "ExitDll"}}
    for kind, names in entries.items():
        binaries = [path for path in (WINDOWS / "bin" / kind).rglob("*") if path.suffix in (".dll", ".clap", ".vst3") and path.is_file()]
        assert len(binaries) == (1 if kind == "lv2" else 2)
        for binary in binaries:
            told = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", binary], capture_output=True, text=True, check=True).stdout
            assert {line.split()[-1] for line in told.splitlines() if "DLL Name:" in line} <= LIBRARIES
            listed = told.split("[Ordinal/Name Pointer] Table")[1].split("\n\n")[0].splitlines()[1:]
            assert {line.split()[-1] for line in listed} - {"DllMain"} == names


def test_the_bundle_is_described_alike() -> None:
    for name in ("declipper.ttl", "manifest.ttl"):
        windows = built(BUNDLE / name).read_bytes()
        assert windows.replace(b"declipper.dll", b"declipper.so") == (BUNDLE / name).read_bytes()
