"""The demo service's Prometheus metrics, under the names the playbooks use."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder

from rolloutctl.demo.models import MODELS, Answer

LIVE = "live"
SHADOW = "shadow"
_STATUSES = ("200", "502")
#: Seconds; dense between 10 ms and 1 s, where the simulated models answer.
_BUCKETS_S = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)


class ServiceMetrics:
    """Counters and a histogram in a registry of their own.

    Every label combination exists from the first scrape on, at zero: a series that
    appears with the first failure cannot be told from one that is missing.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "llm_requests",
            "Answers by model, HTTP status and mode (live, or shadow: discarded).",
            ("model", "status", "mode"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "llm_request_duration_seconds",
            "Seconds until the model answered.",
            ("model", "mode"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._cost = Counter(
            "llm_cost_usd", "US dollars spent.", ("model", "mode"), registry=self.registry
        )
        self._tokens = Counter(
            "llm_tokens", "Tokens used.", ("model", "mode"), registry=self.registry
        )
        self._feedback = Counter(
            "llm_feedback", "What users said.", ("model", "thumbs"), registry=self.registry
        )
        self._conversations = Counter(
            "llm_conversations", "Conversations begun.", ("model",), registry=self.registry
        )
        self._solved = Counter(
            "llm_conversations_solved",
            "Conversations in which nothing further was asked.",
            ("model",),
            registry=self.registry,
        )
        for model in MODELS:
            self._declare(model)

    def _declare(self, model: str) -> None:
        for mode in (LIVE, SHADOW):
            for status in _STATUSES:
                self._requests.labels(model, status, mode)
            for metric in (self._duration, self._cost, self._tokens):
                metric.labels(model, mode)
        for thumbs in ("up", "down"):
            self._feedback.labels(model, thumbs)
        self._conversations.labels(model)
        self._solved.labels(model)

    def count(self, answer: Answer, mode: str) -> None:
        """Counts one answer. Feedback is only ever given to live answers.

        The duration is the model's, not the clock's: a busy machine is no regression.
        """
        self._requests.labels(answer.model, str(answer.status), mode).inc()
        self._duration.labels(answer.model, mode).observe(answer.latency_s)
        self._cost.labels(answer.model, mode).inc(answer.cost_usd)
        self._tokens.labels(answer.model, mode).inc(answer.tokens)
        if mode == LIVE:
            self._count_conversation(answer)

    def _count_conversation(self, answer: Answer) -> None:
        """In this application every question begins a conversation."""
        self._conversations.labels(answer.model).inc()
        if answer.is_solved:
            self._solved.labels(answer.model).inc()
        if answer.thumbs:
            self._feedback.labels(answer.model, answer.thumbs).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, in the format the scraper accepts."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
