"""The page in a browser, from a file and without a network: it plays, switches without a gap, marks what is clipped, and can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import Tab, until, write_audio

from declipper.clipping.levels import Threshold
from declipper.files.recording import Recording
from declipper.page import excerpts
from declipper.page.output import write_page
from declipper.page.render import PageLink, index
from declipper.pipeline import inspect

RATE, LEVEL = 44100, 0.5
BURSTS = (0.30, 0.40), (0.75, 0.80)
"""Seconds in which the recording is clipped; the second one is worse."""
START = round(0.02 * RATE)
"""Frames until the player begins to play."""

RENDERED = """async (switches) => {
  const context = new OfflineAudioContext(1, data.rate, data.rate);
  context.resume = async () => {};
  player.context = context;
  player.seek(0);
  player.play();
  for (const [seconds, name] of switches) {
    context.suspend(seconds).then(() => { player.select(name); OfflineAudioContext.prototype.resume.call(context); });
  }
  const heard = await context.startRendering();
  player.pause();
  player.context = undefined;
  return [[...heard.getChannelData(0)], player.gains];
}"""
"""Lets the player of the page play into memory, sample by sample, while it is switched at the given times."""

MARKED = """(name) => {
  const host = document.querySelector(`#lane-${name} > div`);
  const canvas = host.shadowRoot.querySelector('[part=canvases] canvas');
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const marked = (at) => data[at] === 213 && data[at + 1] === 94 && data[at + 2] === 0;
  const rows = [...Array(height).keys()];
  return Array.from({ length: width }, (_, x) => rows.some((y) => marked(4 * (y * width + x))));
}"""
"""For each column of a lane, whether something in it has the colour of what is clipped."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of a second, the truth, and the page about them."""
    folder = tmp_path_factory.mktemp("page")
    time = np.arange(RATE) / RATE
    loud = np.full(RATE, 0.4)
    for (begin, end), peak in zip(BURSTS, (0.7, 1.3), strict=True):
        loud[(time >= begin) & (time < end)] = peak
    truth = (loud * np.sin(2 * np.pi * 441 * time))[:, None]
    recording = write_audio(folder / "song.wav", np.clip(truth, -LEVEL, LEVEL))
    restored = write_audio(folder / "song.declipped.wav", truth)
    pair = Recording(recording), Recording(restored)
    write_page(*pair, inspect(pair[0], Threshold(LEVEL, LEVEL)), path=folder / "song.html", overwrite=False)
    return folder


@pytest.fixture
def page(tab: Tab, made: Path) -> Any:
    """The page, opened from its file with the network off."""
    tab.page.context.set_offline(True)
    tab.page.goto((made / "song.html").as_uri())
    tab.page.wait_for_selector("body[data-ready=yes]")
    return tab.page


def position(page: Any) -> float:
    return float(page.locator("#position").inner_text().removeprefix("0:"))


def test_it_needs_no_network(page: Any, tab: Tab, made: Path) -> None:
    assert tab.requests == [(made / "song.html").as_uri()]


def test_it_plays_and_keys_switch_what_is_heard(page: Any) -> None:
    def pressed() -> list[str]:
        return [str(button.inner_text()) for button in page.locator("[data-signal][aria-pressed=true]").all()]

    assert pressed() == ["A Original"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.locator("#repeat").check()
    page.locator("#repeat").blur()
    page.keyboard.press("Space")
    until(lambda: page.evaluate("player.position > 0.1"))
    for key, name in (("b", "B Restored"), ("x", "X Difference"), ("a", "A Original")):
        page.keyboard.press(key)
        assert pressed() == [name]
    assert page.locator("#play").inner_text() == "Pause"
    page.keyboard.press("Space")
    stopped = position(page)
    page.keyboard.press("Shift+ArrowRight")
    assert position(page) == pytest.approx(stopped + 0.01, abs=0.0011)


def test_switching_leaves_no_gap(page: Any, made: Path) -> None:
    switches = [(0.25, "restored"), (0.5, "difference"), (0.775, "original")]
    heard, gains = page.evaluate(RENDERED, switches)
    x, y = (soundfile.read(made / name)[0] for name in ("song.wav", "song.declipped.wav"))
    signals = {"original": x, "restored": y, "difference": y - x}
    parts = {name: np.concatenate([np.zeros(START), gains[name] * s])[:RATE] for name, s in signals.items()}
    heard, now, last, before = np.array(heard), "original", "", 0
    for seconds, name in [*switches, (1.0, "")]:
        at = int(seconds * RATE) // 128 * 128
        fading, settled = slice(before, before + 2048), slice(before + 2048, at)
        assert np.abs(heard[settled] - parts[now][settled]).max() < 1e-5
        if last:
            bounds = np.stack([parts[now][fading], parts[last][fading]])
            assert (heard[fading] >= bounds.min(axis=0) - 1e-5).all()
            assert (heard[fading] <= bounds.max(axis=0) + 1e-5).all()
        last, now, before = now, name, at
    assert gains["restored"] < gains["original"]


@pytest.mark.parametrize("name", ["original", "restored"])
def test_what_is_clipped_is_marked_and_nothing_else(page: Any, name: str) -> None:
    columns = np.array(page.evaluate(MARKED, name))
    seconds = (np.arange(len(columns)) + 0.5) / len(columns)
    clipped = np.any([(begin <= seconds) & (seconds <= end) for begin, end in BURSTS], axis=0)
    near = np.any([(begin - 0.005 <= seconds) & (seconds <= end + 0.005) for begin, end in BURSTS], axis=0)
    assert columns[~near].sum() == 0
    assert columns[clipped].mean() > 0.5


def test_the_difference_has_no_marks(page: Any) -> None:
    assert not any(page.evaluate(MARKED, "difference"))


def test_the_list_leads_to_the_worst_place_first(page: Any) -> None:
    page.keyboard.press("ArrowDown")
    begin, end = BURSTS[1]
    assert begin <= position(page) <= end
    assert page.locator("tr.listed td").first.inner_text() == "1"
    page.keyboard.press("ArrowDown")
    assert page.locator("tr.listed td").first.inner_text() == "2"
    page.keyboard.press("ArrowUp")
    assert page.locator("tr.listed td").first.inner_text() == "1"


def test_zooming_widens_the_pictures_and_they_scroll_together(page: Any) -> None:
    before = page.evaluate("Object.values(lanes.surfers).map((s) => s.getWrapper().scrollWidth)")
    page.locator("#zoom").fill("8")
    after = page.evaluate("Object.values(lanes.surfers).map((s) => s.getWrapper().scrollWidth)")
    assert min(after) > 4 * max(before)
    page.evaluate("lanes.surfers.restored.setScroll(700)")
    until(lambda: page.evaluate("Object.values(lanes.surfers).every((s) => Math.abs(s.getScroll() - 700) < 2)"))


def test_the_blind_test_shows_nothing_and_answers_after_ten_choices(page: Any) -> None:
    page.get_by_role("button", name="Start the blind test").click()
    assert not page.locator(".lane").first.is_visible()
    restored = 0
    for trial in range(10):
        assert page.locator("#trial").inner_text() == f"Choice {trial + 1} of 10"
        page.keyboard.press("b")
        second = page.evaluate("blind.order[1]")
        assert page.evaluate("player.selected") == second
        restored += second == "restored"
        page.get_by_role("button", name="I prefer the second").click()
    assert f"the restored sound {restored} of 10 times" in page.locator("#answer").inner_text()
    assert page.locator(".lane").first.is_visible()


def test_chance_is_that_of_a_fair_coin(page: Any) -> None:
    assert page.evaluate("[5, 8, 10].map(byChance)") == pytest.approx([1, 112 / 1024, 2 / 1024])


def test_of_a_long_recording_a_place_in_another_part_is_reached(tab: Tab, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts, "WHOLE", RATE // 2)
    monkeypatch.setattr(excerpts, "SECONDS", 0.2)
    pair = Recording(made / "song.wav"), Recording(made / "song.declipped.wav")
    write_page(*pair, inspect(pair[0], Threshold(LEVEL, LEVEL)), path=made / "long.html", overwrite=True)
    tab.page.goto((made / "long.html").as_uri())
    tab.page.wait_for_selector("body[data-ready=yes]")
    assert tab.page.locator("[data-excerpt]").count() == 2
    there = tab.page.locator("button[data-place='1']").first
    there.click()
    tab.page.wait_for_selector("[data-excerpt='1'][aria-pressed=true]")
    until(lambda: tab.page.locator("#position").inner_text() == there.inner_text())


@pytest.mark.parametrize("state", ["open", "blind", "index"])
def test_nothing_serious_for_those_who_cannot_see_or_use_a_mouse(page: Any, made: Path, state: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe (pip install axe-playwright-python)")
    if state == "blind":
        page.get_by_role("button", name="Start the blind test").click()
    elif state == "index":
        (made / "index.html").write_text(
            index([PageLink("song.wav", "song.html", 1.0, 2.0, 3.0), PageLink("b", "", None, None, None, "x")], title="tapes")
        )
        page.goto((made / "index.html").as_uri())
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
