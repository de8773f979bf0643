"""Finds where a recording clips, without being told.

For a whole recording:

- detector: clip levels per channel and polarity; begin here
- evidence: what is gathered of the signal: its tall excursions, how flat their tops are, and histograms of heights
- plateau: what is found of a plateau, and where its lower edge lies
- sharp: is the ceiling of the signal an exact or dithered plateau?
- blurred: is there a plateau that noise, a resampler or a codec has blurred?
- margin: how far below its height a blurred plateau reaches
- changing: does the level change with time?

While the signal is still coming:

- tracker: clip levels as known so far
- excursions: cuts tall excursions out of a signal that is still coming
"""
