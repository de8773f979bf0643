"""Finds where a recording clips, without being told.

For a whole recording:

- detector: clip levels and runs of clipped samples; begin here
- network: how likely each sample was cut off, by a small network (`declipper.training.detection`)
- marks: which samples that means, and whether the recording was clipped at all
- ceiling: plateaus that nothing has touched since, to the bit

While the signal is still coming:

- tracker: clip levels as known so far
- excursions: cuts tall excursions out of a signal that is still coming; when a single one is flat
"""
