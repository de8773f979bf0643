"""The page to judge by: what it lists is true, both sounds are equally loud on it, nothing in a name can run, and it needs no network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
import soundfile
from conftest import Outcome, Run, clipped, music, write_audio

from declipper.clipping.levels import Threshold
from declipper.errors import InputError
from declipper.files.recording import Recording
from declipper.page import comparison as comparisons
from declipper.page import excerpts as excerpts_of
from declipper.page.comparison import Comparison, compare
from declipper.page.pair import Pair
from declipper.page.render import PageLink, index, page
from declipper.pipeline import inspect

LEVEL = 0.5
RATE = 44100


def pair(folder: Path, *, gain: float = 1.0, frames: int = 44100, channels: int = 2, name: str = "song", subtype: str = "FLOAT") -> Pair:
    """A recording clipped at LEVEL, and the music that it was, turned by a gain."""
    original = write_audio(folder / f"{name}.wav", clipped(frames, channels, LEVEL))
    restored = write_audio(folder / f"{name}.declipped.wav", gain * music(frames, channels), subtype=subtype)
    return Pair(Recording(original, original.name), Recording(restored, restored.name))


def compared(two: Pair) -> Comparison:
    return compare(two, inspect(two.original, Threshold(LEVEL, LEVEL)))


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the text in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts.append((self.found[-1][1], data))
            self.found.append(("", {}))


def data_of(text: str) -> dict[str, Any]:
    """What the scripts of a page are given."""
    return dict(json.loads(next(data for attributes, data in Elements(text).scripts if attributes.get("id") == "data")))


def heard(excerpt: dict[str, Any], name: str) -> np.ndarray:
    """A signal as it is on the page, before it is turned to the same loudness."""
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(excerpt[name])), always_2d=True)
    assert rate == RATE
    return np.asarray(samples * excerpt["scale"])


def one_by_one(samples: np.ndarray) -> list[tuple[int, int, int, str]]:
    """Start, length, channel and side of every run at LEVEL or beyond, found sample by sample."""
    found = []
    for channel in range(samples.shape[1]):
        begin = 0
        sides = [*np.where(np.abs(samples[:, channel]) >= LEVEL, np.sign(samples[:, channel]), 0), 0]
        for at in range(1, len(sides)):
            if sides[at] != sides[begin]:
                if sides[begin]:
                    found.append((begin, at - begin, channel, "+" if sides[begin] > 0 else "-"))
                begin = at
    return sorted(found)


@pytest.mark.parametrize("block", [1 << 20, 999])
def test_the_runs_are_the_true_ones_whatever_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("declipper.files.recording.BLOCK", block)
    two = pair(tmp_path, frames=20000)
    truth = one_by_one(soundfile.read(two.original.path, dtype="float32")[0])
    comparison = compared(two)
    runs = comparison.done.runs
    sides = np.where(runs.bound > 0, "+", "-").tolist()
    assert sorted(zip(runs.start.tolist(), runs.length.tolist(), runs.channel.tolist(), sides, strict=True)) == truth
    marked = data_of(page(comparison))["excerpts"][0]["runs"]
    assert sorted(zip(marked["start"], marked["length"], marked["channel"], sides, strict=True)) == truth


def test_what_was_put_back_is_measured_and_listed_worst_first(tmp_path: Path) -> None:
    two = pair(tmp_path, channels=1, frames=20000)
    comparison = compared(two)
    x, y = (soundfile.read(one.path)[0] for one in (two.original, two.restored))
    places = comparison.worst()
    added = [float(np.square(y - x)[p.first : p.first + p.length].sum()) for p in places]
    assert len(places) > 10
    assert added == sorted(added, reverse=True)
    assert sum(added) == pytest.approx(float(np.square(y - x).sum()))
    for place in places:
        peak = np.abs(y[place.first : place.first + place.length]).max()
        assert place.rise_db == pytest.approx(20 * np.log10(peak / LEVEL), abs=1e-4)
        assert place.level_dbfs == pytest.approx(20 * np.log10(LEVEL), abs=1e-4)


def test_channels_that_are_clipped_at_once_are_one_place(tmp_path: Path) -> None:
    x, y = (np.repeat(samples, 2, axis=1) for samples in (clipped(20000, 1, LEVEL), music(20000, 1)))
    two = Pair(*(Recording(write_audio(tmp_path / name, samples)) for name, samples in (("x.wav", x), ("y.wav", y))))
    comparison = compared(two)
    assert {place.channels for place in comparison.worst()} == {(1, 2)}
    assert 2 * len(comparison.worst()) == len(comparison.done.runs)


@pytest.mark.parametrize("gain", [1.0, 0.4])
def test_both_are_equally_loud_on_the_page_and_reliable_samples_equal(tmp_path: Path, gain: float) -> None:
    two = pair(tmp_path, gain=gain, subtype="PCM_24" if gain < 1 else "FLOAT")
    comparison = compared(two)
    excerpt = data_of(page(comparison))["excerpts"][0]
    x, y = heard(excerpt, "original"), heard(excerpt, "restored")
    meter = pyloudnorm.Meter(RATE)
    matched = y * 10 ** (excerpt["matchDb"] / 20)
    assert meter.integrated_loudness(matched) == pytest.approx(meter.integrated_loudness(x), abs=0.1)
    assert excerpt["matchDb"] < -0.5
    turned = 10 ** (excerpt["volumeDb"] / 20)
    assert max(np.abs(signal).max() for signal in (x, matched, y - x)) * turned <= 1 + 1e-6
    reliable = np.abs(x) < LEVEL - 1e-6
    assert np.abs(y - x)[reliable].max() <= (2**-20 if gain < 1 else 0)
    assert comparison.whole.gain_db == pytest.approx(20 * np.log10(gain), abs=0.001)
    said = {finding.question: finding.answer for finding in comparison.findings}["What was changed?"]
    assert ("bit for bit" in said) == (gain == 1)
    assert ("turned by -7.96 dB" in said) == (gain < 1)


def test_samples_that_changed_elsewhere_are_told(tmp_path: Path) -> None:
    x, y = clipped(20000, 1, LEVEL), music(20000, 1)
    y[int(np.argmin(np.abs(x)))] += 0.1
    two = Pair(*(Recording(write_audio(tmp_path / name, samples)) for name, samples in (("x.wav", x), ("y.wav", y))))
    assert "other samples too, by -20 dBFS at most" in " ".join(finding.answer for finding in compared(two).findings)


def test_of_a_long_recording_the_worst_places_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts_of, "WHOLE", 2 * 30000)
    monkeypatch.setattr(excerpts_of, "SECONDS", 10000 / RATE)
    monkeypatch.setattr(comparisons, "MOST_LISTED", 10)
    two = pair(tmp_path, frames=100_000)
    comparison = compared(two)
    assert [len(excerpt.stretch) for excerpt in comparison.excerpts] == [10000] * 3
    worst = comparison.worst()[0]
    assert worst.excerpt == 0
    x = soundfile.read(two.original.path)[0]
    for excerpt, embedded in zip(comparison.excerpts, data_of(page(comparison))["excerpts"], strict=True):
        there = x[excerpt.stretch.first : excerpt.last]
        assert np.abs(heard(embedded, "original") - there).max() < 2**-22
        assert embedded["first"] == excerpt.stretch.first
        assert len(embedded["runs"]["start"]) == len(one_by_one(np.vstack([there[:0], there])))
    assert "<svg" in page(comparison)


def test_a_recording_in_which_nothing_is_clipped_has_a_page(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.wav", music(20000, 1, 0.3))
    comparison = compared(Pair(Recording(path), Recording(path)))
    assert comparison.worst() == []
    assert "Nothing that was found" in page(comparison)


@pytest.mark.parametrize(
    ("frames", "channels", "rate", "seed", "reason"),
    [
        (100, 2, RATE, 0, "has 100 frames, and song.wav has 20000"),
        (20000, 1, RATE, 0, "has 1 channels, and song.wav has 2"),
        (20000, 2, 48000, 0, "has a sample rate of 48000 Hz"),
        (20000, 2, RATE, 5, "is no restoration of song.wav"),
    ],
)
def test_what_is_no_pair_is_told_in_a_line(tmp_path: Path, frames: int, channels: int, rate: int, seed: int, reason: str) -> None:
    original = write_audio(tmp_path / "song.wav", clipped(20000, 2, LEVEL))
    other = write_audio(tmp_path / "other.wav", music(frames, channels, seed=seed), rate)
    with pytest.raises(InputError, match=f"^other.wav: {reason}"):
        compared(Pair(Recording(original, "song.wav"), Recording(other, "other.wav")))


def test_nothing_in_a_name_becomes_an_element(tmp_path: Path) -> None:
    plain = page(compared(pair(tmp_path)))
    name = "<img src=x onerror=alert(1)> <script>\"'&amp;"
    odd = page(compared(pair(tmp_path, name=name)))
    assert [tag for tag, _ in Elements(odd).found] == [tag for tag, _ in Elements(plain).found]
    listed = index([PageLink(name, "x.html", 1.0, 2.0, 3.0, name)], title=name)
    assert {"img", "script"}.isdisjoint(tag for tag, _ in Elements(listed).found)


def test_a_page_may_run_its_own_scripts_and_fetch_nothing(tmp_path: Path) -> None:
    elements = Elements(page(compared(pair(tmp_path))))
    policy = next(attributes["content"] or "" for tag, attributes in elements.found if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    allowed = set(re.findall(r"'sha256-([^']*)'", policy))
    run = [text for attributes, text in elements.scripts if attributes.get("type") is None]
    assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run} == allowed
    assert not [name for _, attributes in elements.found for name in attributes if name in ("src", "href") or name.startswith("on")]


def test_the_command_makes_a_page_beside_the_restoration(run: Run, song: Path, tmp_path: Path) -> None:
    restored = write_audio(tmp_path / "song.declipped.wav", music(20000))
    assert run("report", song, restored, "--threshold", "-6.03").code == 0
    made = tmp_path / "song.declipped.html"
    assert data_of(made.read_text())["rate"] == RATE
    before = made.read_bytes()
    assert "exists; use --overwrite" in run("report", song, restored).error_line
    assert made.read_bytes() == before
    assert run("report", song, restored, "--threshold", "-6.03", "--overwrite").code == 0
    assert made.read_bytes() == before


def test_fix_makes_the_page_as_well(fix: Run, song: Path, tmp_path: Path) -> None:
    made = tmp_path / "song.html"
    assert fix(song, "--threshold", "-6.03", "-q", "--report", made).code == 0
    excerpt = data_of(made.read_text())["excerpts"][0]
    assert np.abs(heard(excerpt, "restored")).max() > 0.6
    assert "does not end in .html" in fix(song, "--overwrite", "--report", tmp_path / "song.txt").error_line
    assert "takes one recording" in fix(song, song, "--report", tmp_path / "a.html").error_line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("song.wav",), "is a recording; name its restoration after it"),
        (("a.wav", "b.wav", "c.wav"), "3 files are named"),
        (("a.wav", "b.wav", "--csv"), "--csv, --worst and --html are for the manifest"),
        (("a.jsonl", "-o", "b.html"), "-o, --threshold and --stream are for a page"),
        (("song.wav", "song.wav", "-o", "song.wav"), "the name does not end in .html"),
    ],
)
def test_the_two_uses_of_report_are_told_apart(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    outcome = run("report", *arguments)
    assert reason in outcome.error_line
    assert outcome.code == 2


def archive(fix: Run, tmp_path: Path, count: int = 3) -> Path:
    """Recordings, the first one clipped least, restored; their manifest."""
    folder = tmp_path / "in"
    (folder / "a & b").mkdir(parents=True)
    for number in range(count):
        write_audio(
            folder / "a & b" / f"{number}#.wav", np.clip(music(20000, 1, seed=number), -LEVEL, LEVEL) if number else clipped(20000, 1, 0.9)
        )
    assert fix(folder, "-o", tmp_path / "out", "--threshold", "-6.03", "-j", "1").code == 0
    return tmp_path / "out" / "declipper.jsonl"


def test_an_archive_has_an_index_worst_first_and_a_page_for_each(fix: Run, run: Run, tmp_path: Path) -> None:
    manifest, pages = archive(fix, tmp_path), tmp_path / "pages"

    def made(*options: str) -> Outcome:
        return run("report", manifest, "--html", pages, "--threshold", "-6.03", *options)

    assert made().code == 0
    links = [attributes["href"] or "" for tag, attributes in Elements((pages / "index.html").read_text()).found if tag == "a"]
    shares = {json.loads(line)["output"]: json.loads(line).get("clipped_percent") for line in manifest.read_text().splitlines()}
    named = [link.replace("%20", " ").replace("%26", "&").replace("%23", "#").removesuffix(".html") for link in links]
    assert named == sorted((name for name in shares if name), key=lambda name: -shares[name])
    assert all((pages / f"{name}.html").is_file() for name in named)
    assert "exists; use --overwrite" in made().error_line
    (pages / "index.html").unlink()
    kept = pages / f"{named[0]}.html"
    kept.write_text("kept")
    assert made().code == 0
    assert kept.read_text() == "kept"
    assert made("--overwrite").code == 0
    assert kept.read_text() != "kept"


def test_a_recording_that_is_gone_is_told_and_the_others_have_pages(fix: Run, run: Run, tmp_path: Path) -> None:
    manifest = archive(fix, tmp_path)
    (tmp_path / "in" / "a & b" / "1#.wav").unlink()
    outcome = run("report", manifest, "--html", tmp_path / "pages", "--threshold", "-6.03")
    assert outcome.code == 1
    assert "1#.wav: is not there" in outcome.error_line
    assert "is not there" in (tmp_path / "pages" / "index.html").read_text()
    assert len(list((tmp_path / "pages").rglob("*.declipped.wav.html"))) == 2


def test_a_manifest_cannot_send_pages_elsewhere(fix: Run, run: Run, tmp_path: Path) -> None:
    manifest = archive(fix, tmp_path, 1)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps(line | {"output": line["output"] and "../../away.wav"}) + "\n" for line in lines))
    outcome = run("report", manifest, "--html", tmp_path / "deep" / "pages", "--threshold", "-6.03")
    assert "is not in the folder of the manifest" in outcome.error_line
    assert not list(tmp_path.rglob("away*"))
