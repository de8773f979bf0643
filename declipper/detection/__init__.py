"""Finds where a recording clips, without being told.

For a whole recording:

- detector: clip levels per channel and polarity; begin here
- evidence: what is gathered of the signal: its tall excursions, how flat their tops are, and histograms of heights
- histogram: counts heights, whatever the range they lie in
- plateau: what is found of a plateau, and where it lies in a histogram
- sharp: is the ceiling of the signal an exact or dithered plateau?
- blurred: is there a plateau that noise, a resampler or a codec has blurred, and how far below its height does it reach?
- changing: does the level change with time?

While the signal is still coming:

- tracker: clip levels as known so far
- excursions: cuts tall excursions out of a signal that is still coming; when a single one is flat

The rules are our own. How surely they find clipping is measured by `python -m declipper.training.studies.detection`.
"""
