"""Builds the wheel and the source distribution, checks them, and tells their sizes: `python packaging/release.py`, with declipper[release].

Everything goes to dist/. The archives are built twice and have to be the same to the byte, with the time of the last commit in them, or
that of SOURCE_DATE_EPOCH. The wheel is installed into a fresh environment, where it has to restore a recording; dist/sbom.json lists all
that is in there (CycloneDX).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
RECORDING = ROOT / "tests" / "data" / "loop_amen_full.flac"
LEAST = 8
"""Of ten, the least that pyroma may say: the authors give no address of theirs, which it counts as two."""


def main() -> None:
    """Build, compare, check, list, tell."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _said("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_built(Path(folder) / name, int(epoch)) for name in ("first", "second"))
        if _sums(first) != _sums(second):
            raise SystemExit(f"two builds differ: {_sums(first)} and {_sums(second)}")
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(first, DIST)
    archives = sorted(DIST.iterdir())
    _tool("twine", "check", "--strict", *map(str, archives))
    _tool("check_wheel_contents", *(str(path) for path in archives if path.suffix == ".whl"))
    _tool("pyroma", f"--min={LEAST}", str(ROOT))
    _try(next(path for path in archives if path.suffix == ".whl"))
    for path in archives:
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, sha256 {_sums(DIST)[path.name]}")


def _built(folder: Path, epoch: int) -> Path:
    """A wheel and a source distribution, built from a copy of what git has or would take."""
    source = folder.with_suffix(".source")
    for name in _said("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    clean = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run([sys.executable, "-m", "build", "-q", "--no-isolation", "--outdir", str(folder), str(source)], check=True, env=clean)
    for archive in folder.glob("*.tar.gz"):
        _dated(archive, epoch)
    return folder


def _try(wheel: Path) -> None:
    """Installs the wheel where nothing else is, restores a recording there, lists what is there, and tells how large it is."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        programs = Path(folder) / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([programs / "python", "-m", "pip", "install", "-q", wheel], check=True)
        subprocess.run([programs / "declipper", "fix", RECORDING, "-o", Path(folder) / "restored.wav"], check=True)
        _tool("cyclonedx_py", "environment", "--output-reproducible", "-o", str(DIST / "sbom.json"), str(programs / "python"))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file() and not file.is_symlink())
        print(f"installed, with all that it needs: {size / 1e6:.0f} MB")


def _dated(archive: Path, epoch: int) -> None:
    """Gives all in a source distribution one time and no owner, for setuptools leaves in both as they happen to be."""
    content = BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda m: m.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname, member.pax_headers = epoch, 0, 0, "", "", {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(content.getvalue(), mtime=epoch))


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _tool(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
