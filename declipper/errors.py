"""What can go wrong, as one line that names what was found and what to do."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, *((errno.EDQUOT,) if hasattr(errno, "EDQUOT") else ()))
"""What the system says where a disk is full or broken, and not the file that is read."""


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


class NoRoom(OutputError):
    """A disk that is full or broken: whatever else is written there will fail as well."""


class ModelError(DeclipperError):
    """A model file that this version cannot run."""


class StoreError(DeclipperError):
    """A store that cannot be reached, or refuses what is asked of it."""


class WorkerError(DeclipperError):
    """Work that worker processes died over, or workers that could not be started or reached, or were lost."""


class DeviceError(DeclipperError):
    """An audio device that cannot be used, or that went away."""
