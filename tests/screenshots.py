"""Makes the pictures of the page under docs/, in Chromium: `python -m tests.screenshots`."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from declipper.archive.job import Settings
from declipper.files.recording import Recording
from declipper.page.output import write_page
from declipper.pipeline import fix

ROOT = Path(__file__).parent.parent
SONG = ROOT / "tests" / "data" / "loop_amen_full.flac"
SIZES = (400, 860), (1200, 1000), (2400, 1300)
"""Widths and heights in pixels: a telephone, a window, a large screen."""
QUALITY = 25
"""Of the WebP files, so that all of them together stay below 200 kB."""


def main() -> None:
    """Restore the recording, and take the pictures of its page."""
    settings = Settings("fast")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        target, page_file = Path(folder) / "loop.wav", Path(folder) / "loop.html"
        recording = Recording(SONG, SONG.name)
        delivery = settings.delivery(recording, target, overwrite=False)
        done = fix(recording, delivery, session=settings.session())
        write_page(recording, Recording(target, "loop_amen_full.declipped.wav"), done.report, path=page_file, overwrite=False)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        for width, height in SIZES:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(page_file.as_uri())
            page.wait_for_selector("body[data-ready=yes]")
            page.keyboard.press("ArrowDown")
            page.wait_for_timeout(2000)
            page.evaluate("scrollTo(0, 0)")
            taken = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
            (ROOT / "docs" / f"page-{width}.webp").write_bytes(base64.b64decode(taken["data"]))
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
