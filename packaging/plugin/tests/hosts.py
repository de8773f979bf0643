"""Every host that could be had, each rendering the same signal: `python hosts.py > ../hosts.md` writes the table of what they did."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import soundfile
from jalv import with_jalv
from material import BUILD, BUNDLE, CLAP, LEVEL, MARGIN, RATE, VST3, Audio, expected, given, piped

from declipper.plugins.lv2 import Lv2Plugin

STEREO = "urn:declipper:stereo"
LATENCY = Lv2Plugin(BUNDLE, STEREO, sample_rate=RATE).latency


KEPT: list[object] = []
"""A VST3 of each host in this process: they share DPF's module, which the first to let go of its last plugin would shut down."""


@contextmanager
def files() -> Iterator[tuple[str, str]]:
    """The signal as a file, and the name of the file to render to."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.wav", f"{folder}/out.wav"
        soundfile.write(source, given(), RATE, "FLOAT")
        yield source, target


def by_command(make: Callable[[str, str], list[str]]) -> Audio:
    """Through a program that renders one file to another, and keeps the latency."""
    with files() as (source, target):
        subprocess.run(make(source, target), check=True, stdout=subprocess.DEVNULL, env=os.environ | {"LV2_PATH": str(BUNDLE.parent)})
        audio, rate = soundfile.read(target, dtype="float32")
        assert rate == RATE
        return audio[LATENCY:]


def with_lv2apply() -> Audio:
    """Calls run() for single frames."""
    return by_command(lambda source, target: ["lv2apply", "-i", source, "-o", target, STEREO])


def with_ffmpeg() -> Audio:
    """The lv2 filter, in blocks of 1024 frames."""
    plugin = "lv2=plugin=" + STEREO.replace(":", r"\\:")
    return by_command(lambda source, target: ["ffmpeg", "-v", "error", "-i", source, "-af", plugin, "-c:a", "pcm_f32le", target])


def with_ecasound() -> Audio:
    """A chain with one effect; controls are given by position."""
    controls = "1,0,0,0,24,0,100,0,1"
    form = f"-f:f32_le,2,{RATE}"
    return by_command(lambda source, target: ["ecasound", "-q", form, "-i", source, form, "-o", target, f"-elv2:{STEREO},{controls}"])


def with_pedalboard() -> Audio:
    """Takes the latency off itself."""
    import pedalboard

    plugin = pedalboard.load_plugin(str(VST3))
    KEPT.append(plugin)
    return plugin(given().T, RATE).T


def with_minihost() -> Audio:
    """Blocks of 512 frames."""
    import minihost

    plugin = minihost.Plugin(str(VST3), RATE, 512)
    KEPT.append(plugin)
    assert plugin.latency_samples == LATENCY
    pieces = []
    padded = np.concatenate([given(), np.zeros((-len(given()) % 512, 2), np.float32)])
    for begin in range(0, len(padded), 512):
        out = np.zeros((2, 512), np.float32)
        plugin.process(np.ascontiguousarray(padded[begin : begin + 512].T), out)
        pieces.append(out.T)
    return np.concatenate(pieces)[LATENCY:]


def with_dawdreamer() -> Audio:
    """A graph of a player and the plugin."""
    import dawdreamer

    engine = dawdreamer.RenderEngine(RATE, 512)
    player = engine.make_playback_processor("player", np.ascontiguousarray(given().T))
    plugin = engine.make_plugin_processor("declipper", str(VST3))
    KEPT.extend((engine, plugin))
    engine.load_graph([(player, []), (plugin, ["player"])])
    engine.render(len(given()) / RATE)
    return np.asarray(engine.get_audio(), np.float32).T[LATENCY:]


def with_clap_host() -> Audio:
    """Saves the state of one instance, loads it into another, renders with that in blocks of 333 frames."""
    return piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", "333"], given())


@dataclass(frozen=True)
class Host:
    """A way to run the plugin, and where it comes from."""

    name: str
    format: str
    package: str
    render: Callable[[], Audio]
    most: float = np.inf
    """Where the host itself cuts off, which restored peaks exceed."""
    leads: tuple[int, ...] = (0,)
    """How many frames of silence, in whole periods, the plugin may have heard before the signal: as many as make every place in a hop."""


HOSTS = [
    Host("lv2apply", "LV2", "apt lilv-utils", with_lv2apply),
    Host("ffmpeg", "LV2", "apt ffmpeg", with_ffmpeg),
    Host("ecasound", "LV2", "apt ecasound", with_ecasound, most=1.0),
    Host("jalv", "LV2", "apt jalv", with_jalv, leads=(6144, 7168, 8192)),
    Host("pedalboard", "VST3", "pip pedalboard", with_pedalboard),
    Host("minihost", "VST3", "pip minihost", with_minihost),
    Host("dawdreamer", "VST3", "pip dawdreamer", with_dawdreamer),
    Host("clap_host", "CLAP", "tests/clap_host.cpp", with_clap_host),
]


@dataclass(frozen=True)
class Finding:
    """What a host's rendering is like, from its first frame on."""

    as_the_core: bool
    reliable_kept: bool
    raised: float
    """Share of the clipped samples that came out above their level."""


def judge(host: Host) -> Finding:
    """Compare what a host renders, its latency taken off, with the core's own rendering; the signal's end may be missing."""
    output = host.render()
    frames = min(len(output), len(given()))
    assert frames >= len(given()) - LATENCY
    output, source = output[:frames], given()[:frames]
    clipped, reliable = np.abs(source) >= LEVEL, np.abs(source) < MARGIN * LEVEL
    return Finding(
        any(np.array_equal(output, np.clip(expected(lead)[:frames], -host.most, host.most)) for lead in host.leads),
        np.array_equal(output[reliable], source[reliable]),
        float(np.mean(np.abs(output[clipped]) > LEVEL)),
    )


def bench() -> dict[str, float]:
    """Seconds that lv2bench takes for ten seconds of audio, for the plugin and for a gain plugin."""
    environment = os.environ | {"LV2_PATH": f"{BUNDLE.parent}:{BUILD}/examples/usr/lib/lv2"}
    cost = {}
    for uri in (STEREO, "http://lv2plug.in/plugins/eg-amp"):
        command = ["lv2bench", "-n", str(10 * RATE), uri]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        cost[uri] = float(done.stdout.split()[0])
    return cost


def version(package: str) -> str:
    """Of an installed Debian or Python package."""
    source, _, name = package.partition(" ")
    if source == "apt":
        found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=True)
        return found.stdout
    return importlib.metadata.version(name) if source == "pip" else ""


def main() -> None:
    """Print the table."""
    print(__doc__.splitlines()[0].split(":")[0] + ", as `tests/hosts.py` saw them.\n")
    print(f"{len(given()) / RATE:g} s of stereo at {RATE / 1000:g} kHz, clipped at {LEVEL:g}; latency {LATENCY} frames.\n")
    print("| host | from | format | rendering | reliable samples | clipped samples raised | how |\n|---|---|---|---|---|---|---|")
    for host in HOSTS:
        print(host.name, file=sys.stderr)
        finding = judge(host)
        cut = f", cut off at {host.most:g} by the host" if np.isfinite(host.most) else ""
        rendering = f"as the core's, bit for bit{cut}" if finding.as_the_core else "differs from the core's"
        kept = "bit for bit" if finding.reliable_kept else "changed"
        how = (host.render.__doc__ or "").split("\n")[0]
        origin = f"{host.package} {version(host.package)}".strip()
        print(f"| {host.name} | {origin} | {host.format} | {rendering} | {kept} | {100 * finding.raised:.1f} % | {how} |")
    cost = {uri.rpartition("/")[2]: seconds for uri, seconds in bench().items()}
    print("\nlv2bench, ten seconds of audio: " + ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in cost.items()) + ".")


if __name__ == "__main__":
    main()
