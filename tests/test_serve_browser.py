"""The whole way through `declipper serve` in a browser: dropped, inspected, restored, judged, taken, and gone with its tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import PATIENCE, Tab, clipped, until, write_audio
from served import LARGEST, Server

RATE = 44100
WAIT = 1000 * PATIENCE
"""Milliseconds."""


@pytest.fixture
def page(tab: Tab, server: Server) -> Any:
    """The page that is served."""
    tab.page.set_default_timeout(WAIT)
    tab.page.goto(server.url)
    return tab.page


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "my <b> song.wav", clipped(20000, 1, 0.5))


def test_the_whole_way(page: Any, tab: Tab, server: Server, song: Path, tmp_path: Path) -> None:
    page.set_input_files("#file", song)
    page.wait_for_selector("#found:not([hidden])")
    assert page.locator("#name").inner_text() == "my <b> song.wav"
    assert "clipped in" in page.locator("#told").inner_text()
    assert page.locator("#dbfs").inner_text() == "found by itself"
    page.get_by_label("clip level by hand").check()
    page.get_by_label("Clip level in dBFS").fill("-7")
    assert page.locator("#dbfs").inner_text() == "-7.00 dBFS"
    page.get_by_label("quality").select_option("live")
    page.get_by_role("button", name="Restore").click()
    page.wait_for_selector("#done:not([hidden])")
    judged = page.frame_locator("#page")
    judged.locator("body[data-ready=yes]").wait_for()
    assert judged.locator("h1").inner_text() == "my <b> song.wav"
    assert "given by hand" in judged.locator("dl").inner_text()
    judged.get_by_role("button", name="B Restored").click()
    twice = "play => [1, 2].map(() => { play.click(); return play.textContent; })"  # at once: the recording may end before a second click
    assert judged.get_by_role("button", name="Play").evaluate(twice) == ["Pause", "Play"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Take the restored recording").click()
    taken = tmp_path / "taken.wav"
    download.value.save_as(taken)
    before, after = soundfile.read(song)[0], soundfile.read(taken)[0]
    reliable = np.abs(before) < 10 ** (-7 / 20) - 1e-3
    assert np.array_equal(after[reliable], before[reliable])
    assert np.abs(after).max() > 0.51
    assert all(request.startswith(server.url) for request in tab.requests)
    page.close()
    until(lambda: server.left() == [])


def test_a_file_is_dropped_and_another_one_takes_its_place(page: Any, server: Server, song: Path) -> None:
    drop = """async ([name, bytes]) => {
      const carried = new DataTransfer();
      carried.items.add(new File([new Uint8Array(bytes)], name));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true, bubbles: true }));
    }"""
    page.evaluate(drop, [song.name, list(song.read_bytes())])
    page.wait_for_selector("#found:not([hidden])")
    page.evaluate(drop, ["diary.txt", list(b"dear diary\n" * 20)])
    page.wait_for_selector("#error:not(:empty)")
    assert page.locator("#error").inner_text().startswith("diary.txt: not audio that libsndfile can read")
    assert not page.locator("#found").is_visible()
    page.close()
    until(lambda: server.left() == [])


def test_what_is_too_large_is_not_even_sent(page: Any, tab: Tab, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(LARGEST + 1))
    page.set_input_files("#file", large)
    assert "recordings of up to 2 MB are taken" in page.locator("#error").inner_text()
    assert not [request for request in tab.requests if "jobs" in request]


def test_nothing_serious_for_those_who_cannot_see_or_use_a_mouse(page: Any, song: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe (pip install axe-playwright-python)")
    page.set_input_files("#file", song)
    page.wait_for_selector("#found:not([hidden])")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
