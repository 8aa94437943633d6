"""An application on the real launchdarkly-server-sdk, and the counters that it would export.

The SDK hears of every change over the stand-in's stream. Each look at the counters deals the
requests since the last one as the SDK evaluates them just then, on a clock of the test's own.
"""

from __future__ import annotations

from collections import Counter

from providers.launchdarkly_worlds import ENVIRONMENT
from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.testing import FakeSource

#: Contexts that stand for everybody.
CONTEXTS = 400
#: No change takes longer over loopback.
_HEARD_S = 5.0


class Application:
    """Evaluates one flag, and a shadow flag, for the same contexts again and again."""

    def __init__(self, server, sdk_key, flag, *, kind="user", arms, shadow):
        import ldclient  # noqa: PLC0415 - 100 ms
        from ldclient.config import Config  # noqa: PLC0415 - same
        from ldclient.feature_store import InMemoryFeatureStore  # noqa: PLC0415 - same

        self._fake, self._flag, self._shadow = server.fake, flag, shadow
        self._arms = arms
        self._store = InMemoryFeatureStore()
        config = Config(
            sdk_key=sdk_key,
            base_uri=server.url,
            stream_uri=server.url,
            events_uri=server.url,
            send_events=False,
            diagnostic_opt_out=True,
            feature_store=self._store,
        )
        self._client = ldclient.LDClient(config=config, start_wait=_HEARD_S)
        self._seen = {}
        self._contexts = [
            ldclient.Context.builder(f"c-{index}").kind(kind).set("beta", index % 20 == 0).build()
            for index in range(CONTEXTS)
        ]

    def served(self):
        """How many contexts get each arm, once the SDK has heard of the last change."""
        found = self._evaluate(self._flag)
        return Counter(self._arms.get(each, "other") for each in found)

    def mirrored(self):
        """How many contexts are mirrored to the canary."""
        return self._evaluate(self._shadow).count(True)

    def _evaluate(self, flag):
        from ldclient.versioned_data_kind import FEATURES  # noqa: PLC0415 - loaded before

        wanted = self._fake.flags[flag]["environments"][ENVIRONMENT]["version"]
        ends_at = monotonic_s() + _HEARD_S
        while self._store.get(FEATURES, flag, lambda found: found)["version"] < wanted:
            assert monotonic_s() < ends_at, "the SDK did not hear of the change"
            SystemClock().sleep(0.001)
        # The same contexts get the same of the same version.
        if (flag, wanted) not in self._seen:
            values = [self._client.variation(flag, each, None) for each in self._contexts]
            self._seen[flag, wanted] = values
        return self._seen[flag, wanted]

    def close(self):
        """The stream ends."""
        self._client.close()


class Traffic(FakeSource):
    """What the application's metrics say: requests, failures, tokens and dollars by arm."""

    def __init__(self, application, clock, names, *, per_s=10.0, failing=lambda _share: False):
        super().__init__()
        self._application, self._clock, self._names = application, clock, names
        self._per_s, self._failing = per_s, failing
        self._last = clock.now()
        self._total, self._bad = Counter(), Counter()
        #: the largest share of contexts that ever got the canary
        self.largest = 0.0

    def query(self, query, at):
        self._go_on()
        self.answers[query.text] = lambda _at: self._answer(query.text)
        return super().query(query, at)

    def _go_on(self):
        now, served = self._clock.now(), self._application.served()
        events = self._per_s * (now - self._last).total_seconds()
        self._last = now
        self.largest = max(self.largest, served["canary"] / CONTEXTS)
        for arm, count in (*served.items(), ("shadow", self._application.mirrored())):
            self._total[arm] += events * count / CONTEXTS
        if self._failing(served["canary"] / CONTEXTS):
            self._bad["canary"] += events * served["canary"] / CONTEXTS / 2

    def _answer(self, text):
        arm = "canary" if f'"{self._names["canary"]}"' in text else "control"
        arm = "shadow" if 'mode="shadow"' in text else arm
        total, bad = self._total[arm], self._bad[arm]
        if "_bucket" in text:
            good = {(("le", bound),): total - bad for bound in ("0.5", "2.5")}
            return {**good, (("le", "+Inf"),): total}
        if "status!=" in text:
            return {(("status", "502"),): bad}
        return {(): total * 0.005} if "_usd_" in text or "_tokens_" in text else {(): total}
