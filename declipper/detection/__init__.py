"""Finds where a recording clips, without being told.

For a whole recording:

- detector: clip levels and runs of clipped samples; begin here
- network: how likely each sample was cut off, by a small network (`declipper.training.detection`)
- marks: judges which samples that means, plateau or not
- gate: judges whether the recording was clipped at all
- interpretation: what these findings are worth: calibrated confidence, and the likely history since
- features: what tells the history
- overflow: samples that wrapped around full scale, which is no clipping
- ceiling: judges whether the highest value of a polarity is a plateau that nothing has touched since

While the signal is still coming:

- tracker: clip levels as known so far
- excursions: cuts tall excursions out of a signal that is still coming, and judges which have a flat top
"""
