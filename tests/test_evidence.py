"""What is gathered of a signal: tall excursions and how flat they are, the tallest of each chunk, in bounded memory."""

import numpy as np
import pytest

from declipper.detection.evidence import CHUNK, LADDER, Evidence, Excursions
from declipper.detection.sharp import sharp


def gathered(samples, most=1 << 17):
    evidence = Evidence(most)
    for begin in range(0, len(samples), CHUNK):
        evidence.add(samples[begin : begin + CHUNK])
    return evidence


def parabolas(count=20, width=1000, ceiling=np.inf):
    """Round crests of slowly falling height, one after the other, cut off at the ceiling."""
    crest = 1 - np.linspace(-1, 1, width) ** 2
    return np.minimum(np.concatenate([(1 - 1e-3 * n) * crest for n in range(count)]), ceiling)


@pytest.mark.parametrize("rung", range(1, len(LADDER) - 1))
def test_a_parabola_is_round_at_every_rung(rung):
    flatness = gathered(parabolas()).excursions().flatness(rung)
    assert flatness.count == 20
    assert flatness.ratio == pytest.approx(1 / np.sqrt(10), abs=0.03)


def test_a_plateau_is_flat():
    excursions = gathered(parabolas(ceiling=0.7)).excursions()
    assert np.all(excursions.top == 0.7)
    assert excursions.flatness(0).ratio > 0.95


def test_excursions_are_told_with_their_places_and_counts():
    excursions = gathered(parabolas(ceiling=0.7)).excursions()
    assert np.allclose(excursions.place, 1000 * np.arange(20) + 500, atol=1)
    assert np.all(excursions.within[:, 0] >= 500)
    assert np.all(excursions.within_wider >= excursions.within)
    assert np.all(np.diff(excursions.within, axis=1) >= 0)


def test_chosen_by_mask_or_position_all_fields_go_together():
    excursions = gathered(parabolas()).excursions()
    low = excursions[excursions.top < 0.9895]
    assert len(low) == 9
    first = low[np.array([0])]
    assert first.place[0] == excursions.place[11]
    assert np.array_equal(first.within[0], excursions.within[11])


def test_the_tallest_of_each_chunk_in_the_order_of_time():
    excursions = gathered(parabolas(count=60)).excursions()
    tallest = excursions.tallest(5)
    chunks = (tallest.place / CHUNK).astype(int)
    assert np.bincount(chunks).tolist() == [5, 5]
    assert np.all(np.diff(tallest.place) > 0)
    for chunk in range(2):
        rest = excursions.top[(excursions.place / CHUNK).astype(int) == chunk]
        assert np.array_equal(np.sort(tallest.top[chunks == chunk]), np.sort(rest)[-5:])


def test_nothing_joined_is_no_excursion():
    assert len(Excursions.joined([])) == 0
    assert len(gathered(np.zeros(10)).excursions()) == 0


def test_memory_is_bounded_for_endless_signals():
    rng = np.random.default_rng(0)
    evidence = gathered(np.clip(rng.normal(0, 0.5, 40 * CHUNK), -0.8, 0.8), most=2000)
    excursions = evidence.excursions()
    assert 1000 < len(excursions) <= 2000
    assert sharp(excursions, evidence.amplitudes).level == pytest.approx(0.8, rel=1e-3)
