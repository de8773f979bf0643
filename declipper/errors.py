"""What can go wrong, as one line that names what was found and what to do."""

from __future__ import annotations


class DeclipperError(Exception):
    """Base of all errors this package raises on purpose; its text is one line for the user."""


class InputError(DeclipperError):
    """A recording that cannot be read or worked on."""


class UnreadFormat(InputError):
    """A recording of a kind that one reader does not know, but another may."""


class NothingToLearn(InputError):
    """Recordings that hold nothing to adapt a model to: not clipped, too short, silent."""


class OutputError(DeclipperError):
    """A result that cannot be written."""


class ModelError(DeclipperError):
    """A model file that this version cannot run."""


class WorkerError(DeclipperError):
    """Work that worker processes died over, or that none could be started for."""


class DeviceError(DeclipperError):
    """An audio device that cannot be used, or that went away."""
