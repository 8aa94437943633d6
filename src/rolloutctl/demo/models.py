"""Two simulated language models: how fast, how reliable, how dear; nothing of HTTP.

Every number is drawn from a seeded generator, so that a demo's outcome does not depend on
luck: the healthy canary always passes its gates, the broken one always fails them.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass, replace

CONTROL = "gpt-4"
CANARY = "claude-3-5-sonnet-20241022"
#: No answer takes longer, so one slow draw cannot look like a regression.
LATENCY_MAX_S = 0.8
_OK = 200
_FAILED = 502


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One backend's behaviour. Latencies in milliseconds, cost in US dollars a token."""

    name: str
    latency_ms: float
    latency_spread_ms: float
    failure_share: float
    tokens: int
    usd_per_token: float
    thumbs_up_share: float
    solved_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one question cost. `thumbs` is empty where the user said nothing.

    `is_solved` where the user asked nothing further: what an A/B experiment counts.
    """

    model: str
    status: int
    latency_s: float
    tokens: int
    cost_usd: float
    thumbs: str
    is_solved: bool = False


MODELS = {
    CONTROL: Model(
        name=CONTROL,
        latency_ms=30.0,
        latency_spread_ms=8.0,
        failure_share=0.002,
        tokens=420,
        usd_per_token=0.00003,
        thumbs_up_share=0.80,
        solved_share=0.40,
    ),
    CANARY: Model(
        name=CANARY,
        latency_ms=22.0,
        latency_spread_ms=6.0,
        failure_share=0.001,
        tokens=380,
        usd_per_token=0.000015,
        thumbs_up_share=0.86,
        solved_share=0.70,
    ),
}


def gone_bad(model: Model) -> Model:
    """The same model behind a backend that cannot take the load: slow, and often failing."""
    return replace(
        model,
        latency_ms=model.latency_ms * 12,
        latency_spread_ms=model.latency_spread_ms * 12,
        failure_share=0.4,
        thumbs_up_share=0.2,
        solved_share=0.05,
    )


class Backend:
    """Draws the answers of one model; safe to use from several threads."""

    #: One user in so many says what they think of an answer.
    FEEDBACK_EVERY = 5

    def __init__(self, model: Model, *, seed: int = 1) -> None:
        self._healthy = self._model = model
        self._random = random.Random(f"{model.name}/{seed}")  # noqa: S311 - simulation
        self._solving = random.Random(f"{model.name}/{seed}/solved")  # noqa: S311 - simulation
        self._lock = threading.Lock()

    def break_down(self) -> None:
        """From now on the model is bad."""
        with self._lock:
            self._model = gone_bad(self._healthy)

    def recover(self) -> None:
        """From now on it is as it was in the beginning."""
        with self._lock:
            self._model = self._healthy

    def draw(self) -> Answer:
        """The next answer; the caller waits its `latency_s`."""
        with self._lock:
            model, draw = self._model, self._random
            failed = draw.random() < model.failure_share
            latency_ms = max(1.0, draw.gauss(model.latency_ms, model.latency_spread_ms))
            says_something = draw.randrange(self.FEEDBACK_EVERY) == 0
            is_up = draw.random() < model.thumbs_up_share
            is_solved = self._solving.random() < model.solved_share
            tokens = draw.randint(model.tokens * 9 // 10, model.tokens * 11 // 10)
        thumbs = ("up" if is_up else "down") if says_something and not failed else ""
        return Answer(
            model=model.name,
            status=_FAILED if failed else _OK,
            latency_s=min(latency_ms / 1000.0, LATENCY_MAX_S),
            tokens=0 if failed else tokens,
            cost_usd=0.0 if failed else tokens * model.usd_per_token,
            thumbs=thumbs,
            is_solved=is_solved and not failed,
        )


class Overload:
    """Tells when the canary's share of the served answers has passed what it can bear.

    It looks at the answers served and not at the flag file, because that is what
    overloads a backend: the application knows nothing of the rollout. The limit lies
    well below 25 % and well above 5 %, since which users ask within one window
    is chance: 200 answers at 5 % hold more than 15 % canary once in 10^8 windows.
    """

    WINDOW_ANSWERS = 200
    SHARE_MAX = 0.15

    def __init__(self) -> None:
        self._served: deque[bool] = deque(maxlen=self.WINDOW_ANSWERS)
        self._lock = threading.Lock()
        self._passed = False

    def passes_with(self, model: str) -> bool:
        """Counts one live answer; True once, at the moment the limit is passed."""
        with self._lock:
            self._served.append(model == CANARY)
            if self._passed or len(self._served) < self.WINDOW_ANSWERS:
                return False
            self._passed = sum(self._served) / self.WINDOW_ANSWERS > self.SHARE_MAX
            return self._passed
