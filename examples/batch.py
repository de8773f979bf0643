"""Restore a folder of recordings, tell how far it is, and go on where it was interrupted: python batch.py RECORDINGS RESULTS."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track

from declipper import DeclipperError, Session
from declipper.files.delivery import Delivery
from declipper.files.recording import Recording
from declipper.pipeline import fix

recordings, results = Path(sys.argv[1]), Path(sys.argv[2])
results.mkdir(exist_ok=True)
session = Session("fast")  # loaded once for all of them

todo = [path for path in sorted(recordings.glob("*.wav")) if not (results / path.name).exists()]
for path in track(todo, "restoring", console=Console(stderr=True)):
    try:
        recording = Recording(path)
        done = fix(recording, Delivery.planned(recording, results / path.name), session=session)
    except DeclipperError as error:  # one bad file does not stop the rest
        print(error, file=sys.stderr)
    else:
        print(f"{path.name}: {done.report.clipped_percent:.2f} % clipped, peak {done.before.peak:.2f} -> {done.after.peak:.2f}")
