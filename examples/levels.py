"""Restore with clip levels from a detector of your own: python levels.py SONG RESTORED."""

import sys

import numpy as np
import soundfile

from declipper import ClipLevels, declip


def levels_of(audio: np.ndarray, share: float = 0.999) -> ClipLevels:
    """For a device that is known to clip softly just below its peak: a level a little under the peak, for each channel and polarity.

    Infinity says of a channel or polarity that nothing of it is clipped.
    """
    positive = np.maximum(audio.max(axis=0), 0) * share
    negative = np.minimum(audio.min(axis=0), 0) * share
    at_peak = [np.sum(audio >= positive, axis=0), np.sum(audio <= negative, axis=0)]
    positive = np.where((at_peak[0] > 3) & (positive > 0), positive, np.inf)
    negative = np.where((at_peak[1] > 3) & (negative < 0), negative, -np.inf)
    return ClipLevels.constant(positive, negative, channels=audio.shape[1])


audio, sample_rate = soundfile.read(sys.argv[1], always_2d=True)
restored = declip(audio, sample_rate, quality="fast", levels=levels_of(audio))
soundfile.write(sys.argv[2], restored, sample_rate, subtype="FLOAT")
print(f"{np.mean(restored != audio):.2%} of the samples changed, peak {np.abs(audio).max():.2f} -> {np.abs(restored).max():.2f}")
