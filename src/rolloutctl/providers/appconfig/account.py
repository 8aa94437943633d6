"""The calls to AWS around AppConfig: STS, IAM and CloudWatch, only to see what is allowed there.

They tell more of a target and are never needed to drive it: a refusal here is told, and stops
nothing. All of them have one time limit together, so that a service that cannot be reached
from a closed network does not hold up the rest.
"""

from __future__ import annotations

from typing import Any

from rolloutctl.clock import Deadline
from rolloutctl.errors import NotFound, RolloutctlError, Unauthorized, Unavailable
from rolloutctl.providers.appconfig.api import client_of
from rolloutctl.providers.appconfig.place import TargetSpec

#: All calls of one look together.
LIMIT_S = 12.0
#: One call.
CALL_S = 5.0
#: Of what AWS says; it repeats whole ARNs.
REASON_CHARS_MAX = 300
_NOT_FOUND = 404
_DENIED = frozenset({401, 403})
_CREDENTIALS = ("AccessDenied", "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient")


class Account:
    """The account that a target's credentials belong to; asks with limits, retries nothing."""

    def __init__(self, spec: TargetSpec, *, limit_s: float) -> None:
        self._spec = spec
        self._deadline = Deadline(min(LIMIT_S, limit_s))

    def read(self, action: str, *, region: str = "", **parameters: Any) -> dict[str, Any]:
        """Calls an operation named as in a policy: `sts:GetCallerIdentity`.

        Args:
            action: service and operation; must change nothing.
            region: another one than the target's.
            parameters: as AWS names them (Any: the SDK's own shape).

        Raises:
            Unauthorized, NotFound: AWS refused.
            Unavailable: no answer in time, or none that helps: throttled, broken, confused.
        """
        from botocore import xform_name  # noqa: PLC0415 - slow, and only who uses AWS pays
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as above

        left_s = self._deadline.remaining_s
        if left_s <= 0:
            raise Unavailable(f"{action}: no time was left for it")
        service, _, operation = action.partition(":")
        try:
            where = region or self._spec.region
            client = client_of(
                where, self._spec.endpoint, service=service, limit_s=min(CALL_S, left_s)
            )
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
        except ClientError as error:
            raise _refusal(error.response, action) from error
        except (BotoCoreError, ResponseParserError, UnicodeDecodeError) as error:
            raise Unavailable(f"{action}: {error}"[:REASON_CHARS_MAX]) from error
        return answer


def _refusal(response: Any, action: str) -> RolloutctlError:
    """What AWS answered, as an error of ours (Any: the SDK's own shape)."""
    error = response.get("Error", {})
    code, said = str(error.get("Code", "")), str(error.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"{action}: {code}: {said}"[:REASON_CHARS_MAX]
    if status in _DENIED or code.startswith(_CREDENTIALS):
        return Unauthorized(message)
    if status == _NOT_FOUND:
        return NotFound(message)
    return Unavailable(message)
