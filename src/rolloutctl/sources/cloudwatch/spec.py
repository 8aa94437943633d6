"""What a source `cloudwatch` is written as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rolloutctl.core.units import DurationS, doc, key

TIMEOUT_MAX_S = 120.0
#: Dimensions of one metric; the limit of CloudWatch since 2022.
DIMENSIONS_MAX = 30
REGIONS_MAX = 10
#: Periods finer than a minute, of high-resolution metrics; others are whole minutes.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
FINE_PERIODS_S = (1.0, 5.0, 10.0, 20.0, 30.0)
MINUTE_S = 60.0
#: The longest period that CloudWatch takes.
PERIOD_MAX_S = 86_400.0

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchSpec:
    """Where the metrics are, who reads them, and how new they can be."""

    region: str | tuple[str, ...] = doc("AWS region, or a list of them whose counters are added")
    namespace: str = doc("namespace of metrics that name none, such as Chat", default="")
    dimensions: Mapping[str, str] = doc("dimensions that every metric has", default_factory=dict)
    zero_where: Mapping[str, str] = doc(
        "metrics without points where nothing happens: {Errors: Requests} takes a missing "
        "Errors for zero where Requests of the same dimensions has data",
        default_factory=dict,
    )
    period_s: DurationS = key("period", doc="what counters are read by (1m)", default=MINUTE_S)
    offset_s: DurationS = key(
        "offset", doc="newer points are left alone, they still grow (2m)", default=120.0
    )
    staleness_s: DurationS = key(
        "staleness", doc="data older than this is no data (10m)", default=600.0
    )
    account: str = doc("account whose metrics are read, in a monitoring account", default="")
    profile: str = doc("profile of the AWS configuration files", default="")
    role_arn: str = doc("role that is assumed first", default="")
    external_id: str = doc("external id that the role asks for", default="")
    endpoint: str = doc("base address of another endpoint, for tests", default="")
    timeout_s: DurationS = key("timeout", doc="limit of one request (10s)", default=10.0)

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions, in the order they were written."""
        return (self.region,) if isinstance(self.region, str) else self.region

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        self._check_place()
        self._check_times()
        if len(self.dimensions) > DIMENSIONS_MAX:
            raise ValueError(f"a metric has at most {DIMENSIONS_MAX} dimensions")

    def _check_place(self) -> None:
        for region in self.regions:
            if not _REGION.fullmatch(region):
                raise ValueError(f"{region!r:.80} is no region; write for example eu-west-1")
        if not self.regions or len(set(self.regions)) < len(self.regions):
            raise ValueError("region names each region once, and at least one")
        if len(self.regions) > REGIONS_MAX:
            raise ValueError(f"{len(self.regions)} regions; the limit is {REGIONS_MAX}")
        if self.account and not _ACCOUNT.fullmatch(self.account):
            raise ValueError("account is a number of 12 digits")
        if self.role_arn and not _ROLE.fullmatch(self.role_arn):
            raise ValueError("role_arn is such as arn:aws:iam::123456789012:role/metrics-reader")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id is for a role; add role_arn")
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint begins with http:// or https://")

    def _check_times(self) -> None:
        if self.period_s < MINUTE_S or not is_period(self.period_s):
            # Finer points are kept for 3 hours: counters made of them would shrink.
            raise ValueError("period is a whole number of minutes, such as 1m")
        if not 0 < self.timeout_s <= TIMEOUT_MAX_S:
            raise ValueError(f"timeout must be above 0s and at most {TIMEOUT_MAX_S:g}s")
        if self.offset_s < 0:
            raise ValueError("offset cannot be below 0s")
        least_s = self.offset_s + 2 * self.period_s
        if self.staleness_s < least_s:
            raise ValueError(
                f"staleness must be at least offset and two periods ({least_s:g}s): "
                "the newest whole point is that old"
            )


def is_period(seconds: float) -> bool:
    """Does CloudWatch take it for a period?"""
    is_whole = seconds >= MINUTE_S and seconds % MINUTE_S == 0 and seconds <= PERIOD_MAX_S
    return seconds in FINE_PERIODS_S or is_whole
