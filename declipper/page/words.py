"""The figures of a comparison as sentences that need no glossary."""

from __future__ import annotations

import math
from dataclasses import dataclass

from declipper.detection.interpretation import in_words
from declipper.measure.report import ClipReport
from declipper.page.damage import Damage
from declipper.page.survey import Survey

DESTROYED, HEAVY = 5.0, 20.0
"""Input SDR in dB below which a recording is called almost destroyed, and heavily clipped: midway between the marks of the glossary."""
UNHEARD_DB = -120.0
"""What a reliable sample may differ by, in dBFS, without a word: less than a step of 20 bits, which a conversion to 24 bits may cost."""
SILENT_DB = -70.0
"""Loudness from which BS.1770 measures at all, in LUFS."""


@dataclass(frozen=True)
class Finding:
    """One question that a listener has, and its answer."""

    question: str
    answer: str


def findings(report: ClipReport, done: Damage, whole: Survey) -> list[Finding]:
    """What there is to know of a recording and its restoration, the most important first."""
    if not report.clipped_samples:
        return [Finding("How much is clipped?", "Nothing that was found."), Finding("What was changed?", _elsewhere(done, whole))]
    found = [
        Finding("How much is clipped?", _how_much(report)),
        Finding("How hard?", _how_hard(report, done)),
        Finding("How sure is that?", _how_sure(report)),
    ]
    words = in_words(report.history) if report.history else ""
    if words:
        found.append(Finding("What happened since?", f"It was likely {words}."))
    if report.overflow_runs:
        found.append(Finding("Anything else?", f"{report.overflow_runs} runs of samples wrapped around full scale, which is no clipping."))
    return [*found, Finding("What was changed?", _elsewhere(done, whole)), Finding("How loud is it now?", _loudness(whole))]


def _how_much(report: ClipReport) -> str:
    milliseconds = 1000 * report.longest_run / report.sample_rate
    return (
        f"{_share(report.clipped_percent)} % of all samples, in {report.runs:,} stretches. The longest lasts {report.longest_run} "
        f"{'sample' if report.longest_run == 1 else 'samples'}, or {milliseconds:.2g} ms."
    )


def _share(percent: float) -> str:
    return f"{percent:.3g}" if percent < 10 else f"{percent:.0f}"


def _how_hard(report: ClipReport, done: Damage) -> str:
    degree = "almost destroyed" if done.input_sdr < DESTROYED else "heavily clipped" if done.input_sdr < HEAVY else "mildly clipped"
    told = f"By its slopes, the highest peak rose about {report.overload_db:.1f} dB above the level at which it was cut off."
    if math.isfinite(done.input_sdr):
        told += f" What the restoration put back lies {done.input_sdr:.0f} dB below the sound: it was {degree}."
    return told


def _how_sure(report: ClipReport) -> str:
    if report.history is None:
        return "The level was given by hand."
    return f"{100 * report.confidence:.0f} %. Of what is called 90 % sure, about 90 % is clipped."


def _elsewhere(done: Damage, whole: Survey) -> str:
    turned = (
        f" The file as a whole was turned by {whole.gain_db:+.2f} dB, which is undone on this page." if abs(whole.gain_db) > 0.005 else ""
    )
    if done.elsewhere == 0:
        return "Only what is clipped. Every other sample is as it was, bit for bit." + turned
    level = 20 * math.log10(done.elsewhere)
    if level < UNHEARD_DB:
        return "Only what is clipped. Every other sample is as it was, but for rounding." + turned
    return f"What is clipped, and other samples too, by {level:.0f} dBFS at most." + turned


def _loudness(whole: Survey) -> str:
    before, after = whole.before, whole.after
    if min(before.lufs, after.lufs) < SILENT_DB:
        return f"The peaks were at {_db(before.peak)} dBFS and are at {_db(after.peak)} dBFS; it is too short or too quiet for more."
    return (
        f"{after.lufs:.1f} LUFS, and {before.lufs:.1f} LUFS before. The peaks were at {_db(before.peak)} dBFS and are at "
        f"{_db(after.peak)} dBFS."
    )


def _db(level: float) -> str:
    return f"{round(20 * math.log10(level), 1) + 0.0:+.1f}" if level > 0 else "-inf"
