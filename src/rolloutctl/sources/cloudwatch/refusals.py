"""What AWS says when it does not answer, as errors of ours; knows no operation's meaning."""

from __future__ import annotations

from typing import Any

from rolloutctl.errors import Rejected, RolloutctlError, Unauthorized, Unavailable

#: Where AWS throttles and does not say for how long.
THROTTLED_S = 5.0
_REASON_CHARS_MAX = 400
_THROTTLED = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "LimitExceeded")
_DENIED = (
    *("ExpiredToken", "UnrecognizedClient", "AccessDenied", "InvalidSignature", "SignatureDoes"),
    *("MissingAuthentication", "InvalidClientTokenId", "NotAuthorized", "InvalidAccessKeyId"),
    *("OptInRequired", "IncompleteSignature", "AuthFailure"),
)
_LATE = ("RequestExpired", "RequestTimeTooSkewed")
_TOO_MANY, _SERVER = 429, 500


def refusal(response: Any, operation: str, *, region: str) -> RolloutctlError:
    """An answer that is an error (Any: the SDK's own shape); `operation` as IAM writes it."""
    error = response.get("Error", {})
    code, said = str(error.get("Code", "")), str(error.get("Message", ""))[:_REASON_CHARS_MAX]
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    message = f"AWS {operation} in {region}: {code}: {said}".rstrip(": ")
    if status == _TOO_MANY or any(one in code for one in _THROTTLED):
        told = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
        hint = "too many questions for this account: a longer interval, or fewer metrics"
        wait_s = float(told) if told.isdigit() else THROTTLED_S
        return Unavailable(message, hint=hint, retry_after_s=wait_s)
    if code.startswith(_LATE):
        return Unauthorized(message, hint="set the clock of this machine")
    if "Expired" in code:
        return Unauthorized(message, hint="log in again (aws sso login), or renew the token")
    if code.startswith(_DENIED) or status in {401, 403}:
        hint = (
            f"allow {operation} to who acts here (aws sts get-caller-identity); "
            "docs/sources.md has the whole policy"
        )
        return Unauthorized(message, hint=hint)
    if status >= _SERVER:
        return Unavailable(message, hint="AWS itself failed; it is asked again at the next look")
    return Rejected(message, hint="AWS refused the question as it stands")


def failure(error: Exception, operation: str, *, region: str) -> RolloutctlError:
    """What happened before an answer, or instead of one."""
    from botocore import exceptions as aws  # noqa: PLC0415 - slow, and only who uses AWS pays

    message = f"AWS {operation} in {region}: {error}"[:_REASON_CHARS_MAX]
    if isinstance(error, (aws.EndpointConnectionError, aws.HTTPClientError)):
        return Unavailable(message, hint="is the region right, and AWS reachable from here?")
    if isinstance(error, aws.ProfileNotFound):
        return Unauthorized(message, hint="see the profiles there are: aws configure list-profiles")
    if isinstance(error, (aws.ParamValidationError, aws.InvalidRegionError)):
        return Rejected(message, hint="correct the source or the gate's query")
    return Unauthorized(message, hint="no usable credentials: aws sts get-caller-identity")


def misshapen(error: Exception, operation: str, *, region: str) -> RolloutctlError:
    """An answer that is none of CloudWatch's."""
    return Unavailable(
        f"AWS {operation} in {region}: an answer of another shape: {error}"[:_REASON_CHARS_MAX],
        hint="is something in between, a proxy or another service?",
    )
