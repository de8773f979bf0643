"""The page that is served: where recordings are dropped, and what is asked about them."""

from __future__ import annotations

from collections.abc import Sequence

from declipper.page.render import asset, surroundings, template

ALLOWED = "connect-src 'self'; frame-src 'self'"
"""The page may ask its own server, and show what that made."""


def front(*, largest: int, qualities: Sequence[str]) -> str:
    """The page. largest: bytes of an upload that is taken. qualities: to choose from, the usual one first."""
    script = asset("serve.js", "declipper.web")
    around = surroundings([script], allowed=ALLOWED)
    return template("serve.html.j2", "declipper.web").render(largest=largest, qualities=qualities, script=script, **around)
