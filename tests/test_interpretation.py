"""What the detector's findings are told as: calibrated confidence, and the likely history in words."""

import json

import numpy as np
import pytest
import scipy.signal
from plateaus import RATE, overloaded

from declipper.clipping.levels import clip
from declipper.detection.detector import LevelDetector
from declipper.detection.interpretation import EVENTS, INTACT, History, in_words, interpreter
from declipper.training.detection.interpret import NEVER, Judged, fitted, write
from declipper.training.detection.observe import events_of, observed
from declipper.training.detection.pool import make
from declipper.training.histories.sources import Material


def detected(y, cuts=()):
    detector = LevelDetector(y.shape[1])
    for start, stop in zip([0, *cuts], [*cuts, len(y)], strict=True):
        detector.push(y[start:stop])
    return detector.finish()


def test_an_exact_plateau_is_told_as_untouched():
    x, _ = overloaded(0.8)
    said = interpreter()(detected(clip(x, 0.8, -0.8)))
    assert said.history.told == (INTACT,)
    assert said.confidence > 0.9
    assert said.found[0].positive.confidence > 0.9


def test_nothing_is_told_of_what_was_not_clipped():
    x, _ = overloaded(0.2)
    said = interpreter()(detected(x))
    assert said.history is None
    assert said.confidence < 0.5
    assert said.found[0].positive.confidence == 0


def test_features_do_not_depend_on_loudness_or_blocks():
    x, _ = overloaded(0.8)
    y = scipy.signal.lfilter(*scipy.signal.butter(1, 30, "high", fs=RATE), clip(x, 0.8, -0.8), axis=0)[: 3 * RATE]
    y *= 0.9 / np.abs(y).max()
    whole = detected(y)
    assert whole.found[0].positive.kind == "blurred"
    np.testing.assert_array_equal(detected(y, range(5000, len(y), 5000)).features, whole.features)
    np.testing.assert_allclose(detected(0.25 * y).features, whole.features, atol=0.02)


def test_confidence_grows_with_belief_and_stays_a_probability():
    for kind in ("recording", "exact", "blurred"):
        said = [interpreter().confidence(kind, belief) for belief in (0.0, 0.3, 0.6, 0.9, 1.0)]
        assert said == sorted(said)
        assert 0 <= said[0] < said[-1] <= 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ((), ""),
        (("coded",), "clipped, then lossy-coded"),
        (("resampled", "cut again"), "clipped, then resampled and cut again at full scale"),
        (("high-passed", "resampled", "coded"), "clipped, then high-passed, resampled and lossy-coded"),
        ((INTACT,), INTACT),
    ],
)
def test_histories_in_words(told, words):
    assert in_words(History({}, told)) == words


def test_what_happened_before_the_clipping_is_not_told():
    cuts = [{"share": 1e-6, "since": ["mp3", "clipped", "agc"]}, {"share": 0.02, "since": ["clipped", "agc"]}]
    assert events_of({"rate": 8000, "story": ["music", "8000 Hz", "mp3", "clipped", "agc"], "cuts": cuts}) == {"levelled"}
    again = [*cuts, {"share": 0.01, "since": []}]
    assert events_of({"rate": 16000, "story": ["music", "8000 Hz"], "cuts": again}) == {"levelled", "resampled", "cut again"}
    assert events_of({"rate": 8000, "story": ["music", "8000 Hz"], "cuts": []}) == set()


def test_judged_leaves_out_what_nobody_knows():
    judged = Judged.of([(0.9, True), (0.5, None), (0.2, False)])
    assert judged.probabilities.tolist() == [0.9, 0.2]
    assert judged.true.tolist() == [True, False]


def test_a_pool_is_observed_once_and_fits(tmp_path, monkeypatch):
    make(Material([], [], []), tmp_path, 1, 0)
    stories = [{"rate": RATE, "cut": 0.1, "story": ["music", f"{RATE} Hz"], "cuts": []} for _ in range(24)]
    heard, cut = [], []
    for index, story in enumerate(stories):
        x, truth = overloaded(0.8 if index % 2 else 0.2, seed=index % 4)
        y = (clip(x, 0.8, -0.8) if index % 2 else x)[:65536, 0]
        if index % 4 == 1:
            y = y + np.random.default_rng(index).normal(0, 1e-3, len(y))
        heard.append(y.astype(np.float32))
        cut.append(truth[:65536, 0] if index % 2 else np.zeros(65536, bool))
        story["cuts"] = [{"share": 0.1, "since": ["mp3"] if index % 4 == 1 else []}] if index % 2 else []
    np.save(tmp_path / "a.y.npy", np.stack(heard))
    np.save(tmp_path / "a.cut.npy", np.packbits(np.stack(cut), axis=1))
    (tmp_path / "a.json").write_text(json.dumps(stories))
    examples = observed(tmp_path)
    monkeypatch.setattr(LevelDetector, "push", None)
    assert [one.clipped for one in observed(tmp_path)] == [one.clipped for one in examples] == [bool(i % 2) for i in range(24)]
    found = fitted(examples)
    assert found.events["high-passed"].least == NEVER
    write(found, tmp_path / "fit.json")
    assert set(json.loads((tmp_path / "fit.json").read_text())["events"]) == set(EVENTS)
