"""A comparison as one HTML file that needs nothing else: no network, no other file, no program but a browser."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from declipper import __version__
from declipper.measure.plot import Envelope
from declipper.page.comparison import MOST_LISTED, Comparison
from declipper.page.damage import DamagedRuns
from declipper.page.excerpts import Excerpt

SCRIPTS = (
    "vendor/wavesurfer.min.js",
    "vendor/timeline.min.js",
    "vendor/spectrogram.min.js",
    "player.js",
    "lanes.js",
    "closeup.js",
    "blind.js",
    "page.js",
)
"""Of a page, in the order in which they run."""


@dataclass(frozen=True)
class PageLink:
    """A recording in the list of all pages. page: relative address, "" where there is none; problem: why there is none."""

    name: str
    page: str
    clipped_percent: float | None
    overload_db: float | None
    seconds: float | None
    problem: str = ""


def page(comparison: Comparison) -> str:
    """The page about one recording."""
    scripts = [asset(name) for name in SCRIPTS]
    return template("page.html.j2").render(
        comparison=comparison,
        pair=comparison.pair,
        outline=_outline(comparison.overview) if comparison.overview else None,
        scripts=scripts,
        most=MOST_LISTED,
        data=_data(comparison),
        **surroundings(scripts),
    )


def index(links: Iterable[PageLink], *, title: str) -> str:
    """The page that leads to those about many recordings, in the order given."""
    return template("index.html.j2").render(links=list(links), title=title, **surroundings([]))


def asset(name: str, package: str = "declipper.page") -> Markup:
    """A script or style sheet that comes with a package."""
    return Markup((files(package) / "assets" / name).read_text("utf-8"))


def template(name: str, package: str = "declipper.page") -> jinja2.Template:
    """A template that comes with a package; whatever goes into it is escaped."""
    found = jinja2.Environment(loader=jinja2.PackageLoader(package, "assets"), autoescape=True, undefined=jinja2.StrictUndefined)
    found.filters["clock"] = _clock
    return found.get_template(name)


def surroundings(scripts: Iterable[str], *, allowed: str = "") -> dict[str, Any]:
    """What every page has: its style, the version, and the policy that forbids it all but its own scripts, by their digests.

    allowed: what the policy allows besides.
    """
    digests = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; {allowed}"
    return {"policy": policy.rstrip("; "), "style": asset("style.css"), "version": __version__}


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _clock(seconds: float) -> str:
    """1:23.456."""
    minutes, rest = divmod(round(1000 * seconds), 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"


def _data(comparison: Comparison) -> Markup:
    """What the scripts need, as JSON in which nothing can end the element that holds it."""
    values = {
        "rate": comparison.pair.sample_rate,
        "excerpts": [_excerpt(one, comparison.done.runs) for one in comparison.excerpts],
    }
    return Markup(json.dumps(values, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _excerpt(one: Excerpt, runs: DamagedRuns) -> dict[str, Any]:
    """An excerpt for the scripts: its two signals as FLAC, and its runs, in frames of the excerpt."""
    first, channels = one.stretch.first, one.stretch.original.shape[1]
    here = runs.within(first, one.last)
    here = here[here.channel < channels]
    return {
        "first": first,
        "scale": one.scale,
        "matchDb": one.match_db,
        "volumeDb": one.volume_db,
        "original": base64.b64encode(one.flac(one.stretch.original)).decode(),
        "restored": base64.b64encode(one.flac(one.stretch.restored)).decode(),
        "runs": {
            "start": (here.start - first).tolist(),
            "length": here.length.tolist(),
            "channel": here.channel.tolist(),
            "bound": here.bound.round(6).tolist(),
        },
    }


def _outline(envelope: Envelope) -> dict[str, str]:
    """The overview of a whole recording as two SVG paths, 1000 wide and from -100 to 100 high: the sound, and where it is clipped."""
    high = np.nan_to_num(envelope.high.max(axis=1), neginf=0.0)
    low = np.nan_to_num(envelope.low.min(axis=1), posinf=0.0)
    scale = 100 / max(1e-9, float(np.abs([high, low]).max()))
    across = np.linspace(0, 1000, len(high))
    top = [f"{x:.1f},{-scale * y:.1f}" for x, y in zip(across, high, strict=True)]
    bottom = [f"{x:.1f},{-scale * y:.1f}" for x, y in zip(across[::-1], low[::-1], strict=True)]
    clipped = (envelope.above | envelope.below).any(axis=1)
    return {"sound": "M" + "L".join(top + bottom) + "Z", "clipped": "".join(f"M{x:.1f},-100v8" for x in across[clipped])}
