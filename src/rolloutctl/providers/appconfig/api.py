"""The calls to AppConfig, with limits of ours, and AWS's errors as our own.

boto3 is imported at the first call. It retries nothing: whoever calls decides that.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

from rolloutctl.clock import Deadline
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)
from rolloutctl.providers.appconfig.place import TargetSpec

CONNECT_TIMEOUT_S = 3.0
#: Time limits that a client may have, in seconds; one is made for each that is used.
LIMITS_S = (10, 5, 2, 1)
#: Clients kept: one for each region, service and time limit.
CLIENTS_MAX = 64
#: Where AWS throttles and does not say for how long.
THROTTLED_S = 2.0
_making = threading.Lock()
_DATA = "appconfigdata"
_THROTTLED = frozenset({"ThrottlingException", "TooManyRequestsException", "Throttling"})
_NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER = 404, 409, 429, 500
_DENIED = frozenset({401, 403})
_CREDENTIALS = "ExpiredToken UnrecognizedClient AccessDenied InvalidSignature MissingAuthentication"


class Api:
    """AppConfig's control plane for one target, until one deadline."""

    def __init__(self, spec: TargetSpec, deadline: Deadline) -> None:
        self._spec = spec
        self._deadline = deadline
        self.place = {"ApplicationId": spec.application, "EnvironmentId": spec.environment}
        self.profile = {
            "ApplicationId": spec.application,
            "ConfigurationProfileId": spec.profile,
        }

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline."""
        return self._deadline.remaining_s

    def read(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Calls what changes nothing. Raises the mapped errors."""
        return self._call(operation, parameters, is_write=False)

    def write(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Calls what changes something. Raises the mapped errors."""
        return self._call(operation, parameters, is_write=True)

    def data(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Calls the data plane, as an application does. Raises the mapped errors."""
        return self._call(operation, parameters, is_write=False, service=_DATA)

    def _call(
        self,
        operation: str,
        parameters: dict[str, Any],
        *,
        is_write: bool,
        service: str = "appconfig",
    ) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow

        if self._deadline.remaining_s <= 0:
            raise Unavailable(f"no time was left for AppConfig's {operation}")
        try:
            client = client_of(
                self._spec.region,
                self._spec.endpoint,
                service=service,
                limit_s=self._deadline.remaining_s,
            )
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            refusal = _refusal(error.response, operation, is_write=is_write)
            if isinstance(refusal, Unauthorized):
                _made.cache_clear()
            raise refusal from error
        except BotoCoreError as error:
            raise _failure(error, operation, is_write=is_write) from error
        return answer


def client_of(region: str, endpoint: str, *, service: str, limit_s: float) -> Any:
    """A client of boto3 for calls of at most `limit_s` seconds, at least one (Any: no types).

    Kept, because making one takes as long as several calls. It refreshes a role's
    credentials by itself; others are read again after a refusal.
    """
    timeout_s = next((limit for limit in LIMITS_S if limit <= limit_s), LIMITS_S[-1])
    with _making:
        # A kill of many targets asks from as many threads: they wait for one, and share it.
        return _made(region, endpoint, timeout_s, service)


@functools.lru_cache(maxsize=CLIENTS_MAX)
def _made(region: str, endpoint: str, timeout_s: int, service: str) -> Any:  # Any: as above
    import boto3  # noqa: PLC0415 - slow, and only who uses AWS pays
    import botocore.session  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    config = Config(
        connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
        read_timeout=timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    shared = botocore.session.Session()
    shared.register_component("data_loader", _loader())
    session = boto3.session.Session(region_name=region or None, botocore_session=shared)
    return session.client(service, endpoint_url=endpoint or None, config=config)


@functools.lru_cache(maxsize=1)
def _loader() -> Any:
    """AWS's models, read once: they are the slow part of a client."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - slow

    return create_loader()


def _refusal(response: Any, operation: str, *, is_write: bool) -> RolloutctlError:
    """What AWS answered, as an error of ours."""
    code = response.get("Error", {}).get("Code", "")
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    reasons = response.get("Details", {}).get("InvalidConfiguration", ())
    said = "; ".join(str(one.get("Reason", one)) for one in reasons)
    message = f"AppConfig {operation}: {code}: {response.get('Error', {}).get('Message', '')}"
    message = f"{message} ({said})" if said else message
    if status == _TOO_MANY or code in _THROTTLED:
        told = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
        wait_s = float(told) if told.isdigit() else THROTTLED_S
        return Unavailable(message, retry_after_s=wait_s)
    if status in _DENIED or code.startswith(tuple(_CREDENTIALS.split())):
        action = "appconfig:" + "".join(word.title() for word in operation.split("_"))
        hint = f"see who acts: aws sts get-caller-identity; it needs {action}"
        return Unauthorized(message, hint=hint)
    if status == _NOT_FOUND:
        return NotFound(message, hint="check the ids and the region of the target")
    if status == _CONFLICT:
        return Conflict(message, hint="see what runs: aws appconfig list-deployments")
    if status >= _SERVER:
        return Unavailable(message, may_have_landed=is_write)
    return Rejected(message, hint="AWS refused the call as it stands")


def _failure(error: Exception, operation: str, *, is_write: bool) -> RolloutctlError:
    """What happened before or instead of an answer."""
    from botocore import exceptions as aws  # noqa: PLC0415 - slow

    message = f"AppConfig {operation}: {error}"
    if isinstance(error, (aws.EndpointConnectionError, aws.ConnectTimeoutError)):
        return Unavailable(message, hint="is the region right, and AWS reachable from here?")
    if isinstance(error, aws.HTTPClientError):
        return Unavailable(message, may_have_landed=is_write)
    if isinstance(error, (aws.NoRegionError, aws.ParamValidationError)):
        return Rejected(message, hint="write `region:` in the target, or set AWS_REGION")
    return Unauthorized(
        message, hint="boto3 found no usable credentials: aws sts get-caller-identity"
    )
