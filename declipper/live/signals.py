"""The signals that end the program."""

from __future__ import annotations

import signal

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""They may reach every process of the program, as Ctrl-C does; the first process answers, and tells the others when to stop."""
