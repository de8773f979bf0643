"""What libsndfile, through soundfile, needs to be told and what it says: names of files, reasons of errors."""

from __future__ import annotations

import os
from pathlib import Path

import soundfile


def encoded(path: Path) -> str | bytes:
    """The name as soundfile takes it: bytes, since a name need not be UTF-8; text on Windows."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def reason(error: Exception) -> str:
    """Why libsndfile refused, in a few words that fit into a sentence."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.removeprefix("Error : ").split()).rstrip(". ") or "no reason given"
