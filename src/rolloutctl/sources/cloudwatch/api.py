"""The calls to CloudWatch and STS, with limits of ours, and pages put together.

boto3 is imported at the first call and retries nothing; a call whose connection broke, or that
AWS failed itself, is made once more, and everything within one time limit.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rolloutctl.clock import Deadline, SystemClock
from rolloutctl.errors import RolloutctlError, Unauthorized, Unavailable
from rolloutctl.sources.cloudwatch.refusals import failure, misshapen, refusal
from rolloutctl.sources.cloudwatch.spec import CloudWatchSpec

CONNECT_TIMEOUT_S = 3.0
ATTEMPTS_MAX = 2
#: Pages of one answer; each has up to 100,800 points or 100 alarms.
PAGES_MAX = 20
POINTS_MAX = 100_800
ALARMS_A_PAGE = 100
#: A role's credentials last an hour, and are renewed so long before their end.
ROLE_S = 3_600
RENEWED_BEFORE = timedelta(minutes=5)
_ACTIONS = {
    "get_metric_data": "cloudwatch:GetMetricData",
    "describe_alarms": "cloudwatch:DescribeAlarms",
    "list_metrics": "cloudwatch:ListMetrics",
    "assume_role": "sts:AssumeRole",
    "get_caller_identity": "sts:GetCallerIdentity",
}


@dataclass(slots=True, kw_only=True)
class Row:
    """One result of GetMetricData, its pages put together."""

    points: dict[datetime, float] = field(default_factory=dict)
    status: str = ""
    messages: list[str] = field(default_factory=list)


class Api:
    """CloudWatch as one source sees it; keeps nothing between calls but clients."""

    def __init__(self, spec: CloudWatchSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}  # Any: boto3 has no types
        self._until: datetime | None = None

    def metric_data(
        self,
        queries: Sequence[Mapping[str, Any]],  # Any: the SDK's own shape
        start: datetime,
        end: datetime,
        *,
        region: str,
    ) -> dict[str, Row]:
        """The points by id, every page of them. Raises the mapped errors."""
        rows: dict[str, Row] = {}
        asked = {"MetricDataQueries": list(queries), "StartTime": start, "EndTime": end}
        options = {"ScanBy": "TimestampAscending", "MaxDatapoints": POINTS_MAX}
        for page in self._pages("get_metric_data", region, **asked, **options):
            general = [_said(one) for one in page.get("Messages") or ()]
            for result in page.get("MetricDataResults") or ():
                row = rows.setdefault(str(result.get("Id", "")), Row())
                times, values = result.get("Timestamps") or (), result.get("Values") or ()
                if len(times) != len(values):
                    told = ValueError(f"{len(times)} times of {len(values)} values")
                    raise misshapen(told, _ACTIONS["get_metric_data"], region=region)
                row.points.update(zip(times, map(float, values), strict=True))
                # A page that is followed by another says PartialData: the last one counts.
                row.status = str(result.get("StatusCode", ""))
                row.messages += [_said(one) for one in result.get("Messages") or ()]
            for row in rows.values():
                row.messages += general
        return rows

    def alarms(self, region: str, **which: Any) -> Iterator[Mapping[str, Any]]:
        """Metric and composite alarms (Any: the SDK's own shape). Raises the mapped errors."""
        types = ["CompositeAlarm", "MetricAlarm"]
        options = {"AlarmTypes": types, "MaxRecords": ALARMS_A_PAGE}
        for page in self._pages("describe_alarms", region, **options, **which):
            yield from page.get("CompositeAlarms") or ()
            yield from page.get("MetricAlarms") or ()

    def metric_names(self, region: str, namespace: str) -> list[str]:
        """Names of a namespace's metrics of the last two weeks. Raises the mapped errors."""
        pages = self._pages("list_metrics", region, Namespace=namespace)
        return sorted({str(one["MetricName"]) for page in pages for one in page["Metrics"]})

    def identity(self, region: str) -> str:
        """The ARN of who acts; needs no permission. Raises the mapped errors."""
        answer = self._call("get_caller_identity", region, Deadline(self._spec.timeout_s))
        return str(answer.get("Arn", ""))

    def _pages(self, operation: str, region: str, **parameters: Any) -> Iterator[Any]:
        deadline = Deadline(self._spec.timeout_s)
        token: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            page = self._call(operation, region, deadline, **parameters, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}
        raise Unavailable(
            f"AWS {_ACTIONS[operation]} in {region}: more than {PAGES_MAX} pages",
            hint="ask for less: fewer metrics, or a longer window",
        )

    def _call(self, operation: str, region: str, deadline: Deadline, **parameters: Any) -> Any:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            if deadline.remaining_s <= 0:
                within = f"did not answer within {self._spec.timeout_s:g} s"
                raise Unavailable(f"AWS {_ACTIONS[operation]} in {region} {within}")
            try:
                return self._once(operation, region, **parameters)
            except Unavailable as error:
                # SAFETY: reading changes nothing, so asking twice is harmless; one that
                # throttles is not asked again before its time.
                if attempt == ATTEMPTS_MAX or error.retry_after_s is not None:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _once(self, operation: str, region: str, **parameters: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as above

        action = _ACTIONS[operation]
        try:
            service = "sts" if action.startswith("sts:") else "cloudwatch"
            return getattr(self._client(service, region), operation)(**parameters)
        except ClientError as error:
            refused = refusal(error.response, action, region=region)
            if isinstance(refused, Unauthorized):
                with self._lock:
                    self._clients.clear()  # renewed credentials are seen at the next call
            raise refused from error
        except BotoCoreError as error:
            raise failure(error, action, region=region) from error
        except (ResponseParserError, UnicodeDecodeError) as error:
            raise misshapen(error, action, region=region) from error

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if self._until is not None and SystemClock().now() >= self._until:
                self._clients.clear()
                self._until = None
            name = f"{service} {region}"
            if name not in self._clients:
                session = _session(self._spec.profile)
                keys = self._role_keys(session, region) if self._spec.role_arn else {}
                self._clients[name] = self._made(session, service, region, **keys)
            return self._clients[name]

    def _role_keys(self, session: Any, region: str) -> dict[str, str]:
        """The keys of the assumed role. Raises the mapped errors."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow

        asked = {"RoleArn": self._spec.role_arn, "RoleSessionName": "rolloutctl"}
        if self._spec.external_id:
            asked["ExternalId"] = self._spec.external_id
        try:
            sts = self._made(session, "sts", region)
            answer = sts.assume_role(DurationSeconds=ROLE_S, **asked)["Credentials"]
        except ClientError as error:
            raise refusal(error.response, "sts:AssumeRole", region=region) from error
        except BotoCoreError as error:
            raise failure(error, "sts:AssumeRole", region=region) from error
        until = answer["Expiration"] - RENEWED_BEFORE
        self._until = until if self._until is None else min(self._until, until)
        return {
            "aws_access_key_id": answer["AccessKeyId"],
            "aws_secret_access_key": answer["SecretAccessKey"],
            "aws_session_token": answer["SessionToken"],
        }

    def _made(self, session: Any, service: str, region: str, **keys: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - slow

        config = Config(
            connect_timeout=min(CONNECT_TIMEOUT_S, self._spec.timeout_s),
            read_timeout=self._spec.timeout_s,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        endpoint = self._spec.endpoint or None
        return session.client(
            service, region_name=region, endpoint_url=endpoint, config=config, **keys
        )


def _session(profile: str) -> Any:
    import boto3  # noqa: PLC0415 - slow, and only who uses AWS pays
    import botocore.session  # noqa: PLC0415 - as above

    shared = botocore.session.Session(profile=profile or None)
    shared.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=shared)


@functools.lru_cache(maxsize=1)
def _loader() -> Any:
    """AWS's models, read once: they are the slow part of a client."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - slow

    return create_loader()


def _said(message: Mapping[str, Any]) -> str:
    return f"{message.get('Code', '')}: {message.get('Value', '')}"


def who_acts(api: Api, region: str) -> str:
    """The ARN of who acts, or "" where that cannot be found out."""
    try:
        return api.identity(region)
    except RolloutctlError:
        return ""
