"""How long the windows are that a signal is cut into, and how much of the past and the future each of them sees."""

from __future__ import annotations

from dataclasses import dataclass

from declipper.clipping.windows import at_rate, frames_in
from declipper.engine.session import ModelInfo
from declipper.errors import ModelError

PAST = 512
"""Frames of the past at 44.1 kHz, 12 ms, that the network of a window for listening sees, at least."""
USUAL_DELAY = 0.048
"""Seconds of hop and look-ahead at the usual latency of `declipper live`, with which recordings are restored as they would be heard."""


def window_length(base: int, multiple: int, sample_rate: float) -> int:
    """The window in frames at a sample rate: the model's own at 44.1 kHz, and about the same time at any other."""
    return max(multiple * 4, at_rate(base, sample_rate))


@dataclass(frozen=True)
class Framing:
    """How a stream is cut into windows of context + hop + lookahead frames; its output lags its input by hop + lookahead at most.

    fade: frames over which a window fades into the next, at most `lookahead`. past: frames before the hop that experts who remember are
    shown as they were restored, as many as the context at least; 0 where they see the window alone, as it came.
    """

    context: int
    hop: int
    lookahead: int
    fade: int
    past: int = 0

    def __post_init__(self) -> None:
        if self.context < 0 or self.hop < 1 or not 0 <= self.fade <= min(self.lookahead, self.hop):
            raise ValueError(f"a framing needs context >= 0 and 0 <= fade <= lookahead and hop, got {self}")

    @property
    def window(self) -> int:
        """Frames the network sees at once."""
        return self.context + self.hop + self.lookahead

    @classmethod
    def whole(cls, info: ModelInfo, sample_rate: float) -> Framing:
        """For a recording: the model's own windows, which share no more than context and fade. The output lags by up to a window.

        Where the experts remember, the windows are those of a listener, so that a recording comes out as it would be heard.
        """
        if info.experts.recipe.past:
            return cls.live(info, sample_rate, frames_in(USUAL_DELAY, sample_rate))
        own = info.windows
        window = window_length(own.window, info.multiple, sample_rate)
        context, fade = window * own.context // own.window, window * own.fade // own.window
        return cls(context, window - 2 * context - fade, context + fade, fade)

    @classmethod
    def live(cls, info: ModelInfo, sample_rate: float, delay: int) -> Framing:
        """For listening: a lag of `delay` frames. The rest of the window is the past.

        A fifth of the delay is look-ahead, since a few milliseconds of it are enough (`declipper.training.studies.live.lookahead`); the
        rest is hop, which makes it cheap. The network sees little of the past, the experts as much as they ask for. Raises ModelError for
        a model whose experts take too long for that.
        """
        if not info.experts.serves_live:
            raise ModelError(
                f"{info.name}: sees {info.experts.name} experts, which take too long for live use; give live, or one made from it"
            )
        lookahead = max(1, delay // 5)
        hop = max(1, delay - lookahead)
        window = -(-(at_rate(PAST, sample_rate) + hop + lookahead) // info.multiple) * info.multiple
        context, past = window - hop - lookahead, info.experts.recipe.past
        past = max(context, at_rate(past, sample_rate)) if past else 0
        return cls(context, hop, lookahead, max(1, min(hop, lookahead) // 4), past)
