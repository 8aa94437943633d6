"""How the demo's application asks the flag file, through the OpenFeature SDK.

This is what a team's own application does: it knows two flag keys and a user id, and
nothing of rolloutctl. The provider reads the file by itself (FILE mode) and looks at
its modification time every `POLL_MS`.
"""

from __future__ import annotations

from pathlib import Path

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from rolloutctl.demo.models import CONTROL

MODEL_FLAG = "llm-model"
SHADOW_FLAG = "llm-shadow"
#: The provider polls the file this often in FILE mode, whose interval is `deadline_ms`
#: (openfeature-provider-flagd 0.6.1, measured; `offline_poll_interval_ms` is not read).
POLL_MS = 200
_DOMAIN = "rolloutctl-demo"


class Flags:
    """The two flags of the application, evaluated per user."""

    def __init__(self, path: Path) -> None:
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE,
            offline_flag_source_path=str(path),
            deadline_ms=POLL_MS,
        )
        api.set_provider_and_wait(provider, domain=_DOMAIN)
        self._client = api.get_client(domain=_DOMAIN)

    def model_for(self, user: str) -> str:
        """The model that answers this user; control if the flag cannot be evaluated."""
        context = EvaluationContext(targeting_key=user)
        return self._client.get_string_value(MODEL_FLAG, CONTROL, context)

    def mirrors(self, user: str) -> bool:
        """Whether this user's question is also asked of the canary, answer discarded."""
        context = EvaluationContext(targeting_key=user)
        return self._client.get_boolean_value(SHADOW_FLAG, False, context)
