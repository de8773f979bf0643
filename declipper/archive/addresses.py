"""What a person calls a folder: a path on this machine, or an address such as s3://bucket/folder."""

from __future__ import annotations

import os
import re

from declipper.archive.folders import Folder, LocalFolder
from declipper.archive.stores import StoreFolder

ADDRESS = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://(?P<path>.*)", re.DOTALL)
"""An address such as s3://bucket/folder; whatever else is a path on this machine."""


def folder_at(address: str) -> Folder:
    """The folder that a path or an address stands for. Raises StoreError where there is no way to such an address."""
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        return LocalFolder(os.path.abspath(address))  # noqa: PTH100 - a resolved name would not be the user's
    if parts["protocol"] == "file":
        return LocalFolder(os.path.abspath(parts["path"]))  # noqa: PTH100
    return StoreFolder.opened(address)
