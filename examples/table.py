"""The clipping of an archive as a pandas table: python table.py RECORDINGS TABLE.csv."""

import sys
from pathlib import Path

import pandas

from declipper import DeclipperError
from declipper.media.recording import recording_at
from declipper.pipeline import inspect

rows = []
for path in sorted(Path(sys.argv[1]).rglob("*.wav")):
    try:
        report = inspect(recording_at(path))
    except DeclipperError as error:
        print(error, file=sys.stderr)
        continue
    kinds = {polarity.kind for channel in report.channels for polarity in channel if polarity.kind}
    rows.append(
        {
            "recording": path.relative_to(sys.argv[1]).as_posix(),
            "seconds": report.frames / report.sample_rate,
            "clipped_percent": report.clipped_percent,
            "longest_ms": 1000 * report.longest_run / report.sample_rate,
            "overload_db": report.overload_db,
            "kinds": " ".join(sorted(kinds)),
        }
    )

table = pandas.DataFrame(rows).sort_values("clipped_percent", ascending=False)
table.to_csv(sys.argv[2], index=False)
print(table.to_string(index=False, float_format="{:.2f}".format))
print(f"{(table.clipped_percent > 0).mean():.0%} of {len(table)} recordings are clipped")
