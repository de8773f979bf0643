"""Installing the DAW plugin, with stand-ins for the compiled files; what its build takes from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from declipper.detection import excursions, tracker
from declipper.engine.session import shipped_model
from declipper.plugins import doctor as plugin_doctor
from declipper.plugins import install as plugin

CORE = Path(__file__).parents[1] / "packaging/plugin/core"


def build(folder: Path, content: str = "urn:declipper:stereo") -> Path:
    """What a build leaves behind, as far as the installer looks at it."""
    for kind, names in plugin.NAMES.items():
        for name in names:
            place = folder / kind / name
            if kind != "clap":
                place = place / "Contents" / "plugin.so"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return build(tmp_path / "bin")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "home"


def test_install_list_uninstall(run: Run, made: Path, home: Path) -> None:
    installed = run("plugin", "install", "--from", made)
    assert (installed.code, installed.err) == (0, "")
    places = [Path(line) for line in installed.out.splitlines()]
    assert places == [home / f".{kind}" / name for kind, names in plugin.NAMES.items() for name in names]
    assert (home / ".vst3/declipper.vst3/Contents/plugin.so").read_text() == "urn:declipper:stereo"
    assert run("plugin", "list").out == installed.out
    assert run("plugin", "uninstall").out == installed.out
    assert [path for path in home.rglob("*") if path.name not in (".lv2", ".vst3", ".clap")] == []
    assert run("plugin", "list").out == ""


def test_formats_and_destination(run: Run, made: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert run("plugin", "install", "--from", made, "--format", "lv2,clap", "--dest", there).code == 0
    assert sorted(path.name for path in there.iterdir()) == ["declipper-mono.clap", "declipper.clap", "declipper.lv2"]
    run("plugin", "uninstall", "--format", "clap", "--dest", there)
    assert [path.name for path in there.iterdir()] == ["declipper.lv2"]
    outcome = run("plugin", "list", "--format", "lv2,vst")
    assert outcome.code == 2
    assert "'vst' is none of lv2, vst3, clap" in outcome.error_line


def test_a_new_version_takes_the_place_of_the_old_one(run: Run, made: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    run("plugin", "install", "--from", made, "--dest", there)
    stale = there / "declipper.lv2" / "stale.ttl"
    stale.write_text("of the old version")
    newer = build(tmp_path / "newer", "urn:declipper:stereo 2")
    assert run("plugin", "install", "--from", newer, "--dest", there).code == 0
    assert not stale.exists()
    assert (there / "declipper.clap").read_text() == "urn:declipper:stereo 2"
    assert len(list(there.iterdir())) == 5


def test_what_is_not_ours_stays(run: Run, made: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    foreign = build(tmp_path / "foreign", "somebody else's") / "clap" / "declipper.clap"
    there.mkdir()
    foreign = foreign.rename(there / "declipper.clap")
    outcome = run("plugin", "install", "--from", made, "--dest", there)
    assert outcome.code == 1
    assert outcome.error_line == f"declipper: {foreign}: exists and is not of declipper; move it away first"
    assert list(there.iterdir()) == [foreign]
    assert run("plugin", "uninstall", "--dest", there).out == ""
    assert foreign.read_text() == "somebody else's"


def test_a_failed_copy_leaves_the_old_plugin(run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    run("plugin", "install", "--from", made, "--dest", there)
    newer = build(tmp_path / "newer", "urn:declipper:stereo 2")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plugin.shutil, "copytree", full)
    outcome = run("plugin", "install", "--from", newer, "--dest", there)
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {there / 'declipper.lv2'}: cannot be written (No space left on device)")
    assert (there / "declipper.lv2/Contents/plugin.so").read_text() == "urn:declipper:stereo"
    assert len(list(there.iterdir())) == 5


def test_links(run: Run, made: Path, tmp_path: Path) -> None:
    """A link to a build is replaced or removed, the build stays; one that leads nowhere is replaced."""
    there = tmp_path / "there"
    there.mkdir()
    linked = build(tmp_path / "linked", "urn:declipper:linked")
    for name in ("declipper.lv2", "declipper.clap"):
        (there / name).symlink_to(linked / name.rpartition(".")[2] / name)
    for name in ("declipper.vst3", "declipper-mono.clap"):
        (there / name).symlink_to(tmp_path / "nowhere")
    assert run("plugin", "install", "--from", made, "--dest", there).code == 0
    assert not any(path.is_symlink() for path in there.iterdir())
    (there / "declipper.clap").unlink()
    (there / "declipper.clap").symlink_to(linked / "clap/declipper.clap")
    assert run("plugin", "uninstall", "--dest", there).code == 0
    assert list(there.iterdir()) == []
    assert (linked / "clap/declipper.clap").read_text() == "urn:declipper:linked"
    assert (linked / "lv2/declipper.lv2/Contents/plugin.so").read_text() == "urn:declipper:linked"


def test_half_a_plugin_is_nobodys(run: Run, made: Path, tmp_path: Path) -> None:
    half = tmp_path / "there/declipper.lv2"
    half.mkdir(parents=True)
    outcome = run("plugin", "install", "--from", made, "--dest", half.parent)
    assert (outcome.code, list(half.parent.iterdir())) == (1, [half])
    assert "move it away first" in outcome.error_line


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_what_cannot_be_copied_is_named(run: Run, made: Path, tmp_path: Path) -> None:
    (made / "vst3/declipper.vst3/Contents/gone").symlink_to(tmp_path / "nowhere")
    outcome = run("plugin", "install", "--from", made, "--dest", tmp_path / "there", "--format", "vst3")
    assert outcome.code == 1
    assert "declipper.vst3: cannot be written (" in outcome.error_line
    assert "No such file or directory" in outcome.error_line
    assert list((tmp_path / "there").iterdir()) == []


def test_a_read_only_build_can_be_moved(run: Run, made: Path, tmp_path: Path) -> None:
    bundle = made / "lv2/declipper.lv2"
    bundle.chmod(0o555)
    try:
        assert run("plugin", "install", "--from", made, "--dest", tmp_path / "there").code == 0
    finally:
        bundle.chmod(0o755)
    assert (tmp_path / "there/declipper.lv2").stat().st_mode & 0o200


def test_what_cannot_be_read_is_named(run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    run("plugin", "install", "--from", made, "--dest", there)

    def locked(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)
    outcome = run("plugin", "list", "--dest", there)
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {there / 'declipper.lv2'}: cannot be read (Permission denied)")


def test_a_format_named_twice_is_one(run: Run, made: Path, tmp_path: Path) -> None:
    where = ("--dest", tmp_path / "there", "--format", "clap,clap")
    assert len(run("plugin", "install", "--from", made, *where).out.splitlines()) == 2
    assert run("plugin", "uninstall", *where).code == 0


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_user_without_a_home(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("APPDATA", raising=False)
    outcome = run("plugin", "install", "--from", made)
    assert outcome.code == 1
    assert "name one with --dest" in outcome.error_line


def test_nothing_to_install_from(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run("plugin", "install", "--from", tmp_path)
    assert outcome.code == 1
    assert f"{tmp_path / 'lv2/declipper.lv2'}: no such plugin; build it first" in outcome.error_line
    monkeypatch.setattr(plugin.importlib.util, "find_spec", lambda _: None)
    outcome = run("plugin", "install")
    assert outcome.code == 1
    assert "the plugin itself is not installed" in outcome.error_line


def test_the_installed_package_is_the_usual_source(run: Run, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (build(tmp_path / "site/declipper_plugin") / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert run("plugin", "install", "--format", "clap").code == 0
    assert (home / ".clap/declipper.clap").is_file()


@pytest.mark.parametrize(
    ("platform", "lv2", "vst3"),
    [
        ("linux", "home/.lv2", "home/.vst3"),
        ("darwin", "home/Library/Audio/Plug-Ins/LV2", "home/Library/Audio/Plug-Ins/VST3"),
        ("win32", "roaming/LV2", "local/Programs/Common/VST3"),
    ],
)
def test_folders_of_each_system(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, lv2: str, vst3: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert (plugin.user_folder("lv2"), plugin.user_folder("vst3")) == (tmp_path / lv2, tmp_path / vst3)


def test_doctor_has_a_line_for_every_plugin(run: Run, made: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    outcome = run("plugin", "doctor", "--dest", there)
    assert outcome.code == 1
    assert "no plugin is in place" in outcome.error_line
    run("plugin", "install", "--from", made, "--dest", there, "--format", "clap")
    outcome = run("plugin", "doctor", "--dest", there)  # a text file is no plugin
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [[str(there / name), "fails"] for name in plugin.NAMES["clap"]]


@pytest.mark.skipif(sys.platform == "win32", reason="the loader of Windows does not say what it loads")
def test_doctor_gives_the_loader_the_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "declipper.clap").write_text("no plugin, but found")
    _, finding = plugin_doctor.examine(Path("declipper.clap"))
    assert str(tmp_path / "declipper.clap") in finding


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_doctor_does_not_wait_for_what_a_plugin_leaves_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\nsleep 30 &\nprintf "works: all of it" > "$4"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(plugin_doctor, "PATIENCE", 20)
    assert plugin_doctor.examine(tmp_path / "declipper.clap") == (True, "works: all of it")


def test_what_a_plugin_made_of_the_tones_is_judged() -> None:
    tones = plugin_doctor.clipped_tones(1)
    late = np.concatenate([np.zeros((100, 1), np.float32), tones[:-100]])
    raised = np.where(np.abs(late) >= plugin_doctor.LEVEL, late * np.float32(1.2), late)
    assert plugin_doctor.judged(tones, raised, latency=100).startswith("works: 100 % of the clipped samples raised")
    for output, complaint in ((late, "restored nothing"), (raised * 2, "changed samples"), (raised * np.float32(np.nan), "not finite")):
        with pytest.raises(ValueError, match=complaint):
            plugin_doctor.judged(tones, output, latency=100)


def test_the_build_takes_its_numbers_from_the_package(tmp_path: Path) -> None:
    flat, header, depfile = (tmp_path / name for name in ("model.flat", "constants.hpp", "constants.hpp.d"))
    subprocess.run([sys.executable, CORE / "flat.py", shipped_model("live"), flat, header, depfile], check=True)
    found = header.read_text()
    assert f"constexpr int CELL = {excursions.CELL};" in found
    assert f"constexpr double BETWEEN = {tracker.BETWEEN!r};" in found
    assert f"constexpr int FEWEST[] = {{{', '.join(map(str, tracker.FEWEST))}}};" in found
    assert {str(tracker.__file__), str(excursions.__file__)} <= set(depfile.read_text().split())
