"""The real UnleashClient as an application has it, and what it has loaded."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rolloutctl.http import checked_header
from rolloutctl.providers.unleash.place import TargetSpec, base_url

#: Seconds between the SDK's polls; the server looks at its own database every second.
REFRESH_S = 1
REQUEST_TIMEOUT_S = 10
_APP = "rolloutctl-verify"
#: Without a handler of its own, logging prints the SDK's errors on stderr.
_SILENCE = logging.NullHandler()


class Sdk:
    """A client and the features that it has loaded last."""

    def __init__(self) -> None:
        self.client: Any = None  # Any: the SDK's types are not ours to import here
        self.features: dict[str, Mapping[str, Any]] = {}
        self.segments: dict[int, Sequence[Mapping[str, Any]]] = {}
        self.lock = threading.Lock()

    def on_event(self, event: Any) -> None:  # Any: as above
        """The SDK has loaded what it fetched; called in a thread of its own."""
        text = getattr(event, "raw_features", None)
        if text:
            told = json.loads(text)
            found = {each["name"]: each for each in told["features"]}
            segments = {each["id"]: each["constraints"] for each in told.get("segments") or ()}
            with self.lock:
                self.features, self.segments = found, segments

    def parents(self, flags: Sequence[str]) -> set[tuple[str, bool]]:
        """The flags that these depend on, and whether they must be on."""
        with self.lock:
            told = [self.features.get(flag, {}).get("dependencies") or () for flag in flags]
        return {(each["feature"], each.get("enabled", True)) for rows in told for each in rows}

    def constraints(self, flag: str) -> list[Mapping[str, Any]]:
        """What the flag's strategies ask of a unit, segments included."""
        with self.lock:
            strategies = self.features.get(flag, {}).get("strategies") or ()
            own = [row.get("constraints") or () for row in strategies]
            of_segments = [
                self.segments.get(each, ())
                for row in strategies
                for each in row.get("segments") or ()
            ]
        return [one for rows in (*own, *of_segments) for one in rows]


@contextmanager
def sdk_of(spec: TargetSpec) -> Iterator[Sdk]:
    """A client that keeps nothing on disk and reports nothing to the server."""
    import UnleashClient  # noqa: PLC0415 - first use
    from UnleashClient.utils import InstanceAllowType  # noqa: PLC0415 - first use

    sdk_class: Any = UnleashClient.UnleashClient  # type: ignore[attr-defined]  # exported, not said so

    logging.getLogger("UnleashClient").addHandler(_SILENCE)
    sdk = Sdk()
    sdk.client = sdk_class(
        url=f"{base_url(spec)}/api",
        app_name=_APP,
        environment=spec.environment,
        refresh_interval=REFRESH_S,
        disable_metrics=True,
        disable_registration=True,
        request_timeout=REQUEST_TIMEOUT_S,
        request_retries=0,
        custom_headers={"Authorization": checked_header("Authorization", spec.client_token)},
        custom_options=_requests_options(spec),
        cache=_memory(),
        multiple_instance_mode=InstanceAllowType.SILENTLY_ALLOW,
        event_callback=sdk.on_event,
    )
    try:
        sdk.client.initialize_client()
        yield sdk
    finally:
        sdk.client.destroy()


def _requests_options(spec: TargetSpec) -> dict[str, object]:
    """Our certificates in the words of the SDK's HTTP library."""
    options: dict[str, object] = {}
    if spec.tls.insecure_skip_verify:
        options["verify"] = False
    elif spec.tls.ca_file:
        options["verify"] = spec.tls.ca_file
    if spec.tls.cert_file:
        options["cert"] = (spec.tls.cert_file, spec.tls.key_file or spec.tls.cert_file)
    return options


def _memory() -> Any:  # Any: its base class is the SDK's, imported at first use
    from UnleashClient.cache import BaseCache  # noqa: PLC0415 - first use

    class Memory(BaseCache):  # type: ignore[misc,unused-ignore]  # an untyped base class
        """The SDK's cache without a file."""

        def __init__(self) -> None:
            self._held: dict[str, Any] = {}

        def set(self, key: str, value: Any) -> None:
            self._held[key] = value

        def mset(self, data: dict[str, Any]) -> None:
            self._held.update(data)

        def get(self, key: str, default: Any = None) -> Any:
            return self._held.get(key, default)

        def exists(self, key: str) -> bool:
            return key in self._held

        def destroy(self) -> None:
            self._held.clear()

    return Memory()
