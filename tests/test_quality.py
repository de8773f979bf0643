"""Restoration is as good as it was: a floor under the gain of each shipped model on sounds whose truth is known.

The gains were measured with the models as shipped; a change that costs more than a tenth of a decibel anywhere has to be seen and decided.
A change that gains puts the figures up.
"""

from __future__ import annotations

import numpy as np
import pytest

from declipper import Session, declip
from declipper.clipping.levels import clip
from declipper.engine.session import shipped_model
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.data.made import plucked_strings, spoken_vowels

SLACK_DB = 0.1
"""What rounding on another processor may change, and no more than what a listener could miss."""
SOUNDS = {"strings": (plucked_strings, 44100, 2.0), "voice": (spoken_vowels, 16000, 3.0)}
INPUT_SDRS_DB = 5.0, 10.0, 20.0, 30.0
GAINS_DB = {
    ("best", "strings"): (11.59, 13.40, 16.61, 16.00),
    ("best", "voice"): (11.64, 14.67, 19.49, 20.12),
    ("fast", "strings"): (11.51, 13.82, 14.82, 15.61),
    ("fast", "voice"): (9.80, 13.14, 16.22, 21.22),
    ("live", "strings"): (10.01, 12.28, 11.59, 14.85),
    ("live", "voice"): (10.16, 12.71, 18.09, 20.06),
}
"""dSDR at each of INPUT_SDRS_DB, in dB. `live` restores recordings as they would be heard, with 10 ms of the future. The voice is
made by a filter of low order, and models of low order that saw a third of a second around it gained 14.6 dB at 10 dB, and 18.8 at 20."""


@pytest.mark.parametrize(("quality", "sound"), GAINS_DB)
def test_each_model_gains_what_it_gained_when_it_was_shipped(quality: str, sound: str) -> None:
    make, sample_rate, seconds = SOUNDS[sound]
    truth = make(sample_rate, seconds)
    session = Session(shipped_model(quality), "cpu")
    gains = []
    for input_sdr in INPUT_SDRS_DB:
        level = threshold_for_sdr(truth, input_sdr)
        clipped = clip(truth, level, -level)
        gains.append(sdr(truth, declip(clipped, sample_rate, session=session)) - sdr(truth, clipped))
    assert np.all(np.array(gains) > np.array(GAINS_DB[quality, sound]) - SLACK_DB), gains
