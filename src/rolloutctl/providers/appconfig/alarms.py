"""The environment's alarms: while one is not OK, AppConfig takes every deployment back.

Also INSUFFICIENT_DATA does it; actions that are disabled keep AppConfig from it.
https://docs.aws.amazon.com/appconfig/latest/userguide/monitoring-deployments.html
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.errors import RolloutctlError, Unauthorized
from rolloutctl.providers.appconfig.account import REASON_CHARS_MAX, Account

#: Of one call; an environment may have five.
ALARMS_MAX = 100
_KINDS = ("CompositeAlarm", "MetricAlarm")
_OK = "OK"
_PARTS = 7
_ITSELF = "AppConfig itself rolls back, a rollback or kill too, unless OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm of the environment, by its ARN."""

    arn: str
    region: str
    name: str


def _command(verb: str, *alarms: Alarm) -> str:
    """The AWS command that does `verb` to alarms of one region, to paste."""
    names = " ".join(shlex.quote(one.name) for one in alarms)
    return f"aws cloudwatch {verb} --alarm-names {names} --region {alarms[0].region}"


def query_alarms(
    account: Account,
    environment: Mapping[str, Any],  # Any: AWS's answer
) -> Iterator[Finding]:
    """How each alarm of the environment stands; those that are OK in one line."""
    arns = [str(one.get("AlarmArn", "")) for one in environment.get("Monitors") or ()]
    alarms = [_alarm(arn) for arn in arns[:ALARMS_MAX]]
    fine: list[str] = []
    for region in dict.fromkeys(one.region for one in alarms):
        asked = [one for one in alarms if one.region == region]
        try:
            seen = _read(account, asked)
        except RolloutctlError as error:
            yield _unseen(asked, error)
            continue
        fine += [one.name for one in asked if _is_fine(seen.get(one.arn))]
        yield from (
            _told(one, seen.get(one.arn)) for one in asked if not _is_fine(seen.get(one.arn))
        )
    if fine:
        message = f"alarms are OK: {', '.join(fine)}; {_ITSELF}"
        yield Finding(severity=Severity.OK, message=message)


def _alarm(arn: str) -> Alarm:
    """Its name may hold colons; an ARN that is none gives one that is not found."""
    parts = arn.split(":", _PARTS - 1)
    if len(parts) < _PARTS:
        return Alarm(arn=arn, region="", name=arn)
    return Alarm(arn=arn, region=parts[3], name=parts[-1])


def _read(account: Account, asked: Sequence[Alarm]) -> Mapping[str, Mapping[str, Any]]:
    """The alarms of one region by ARN (Any: AWS's answer). Raises the mapped errors."""
    answer = account.read(
        "cloudwatch:DescribeAlarms",
        region=asked[0].region,
        AlarmNames=[one.name for one in asked],
        AlarmTypes=list(_KINDS),  # left out, AWS tells of metric alarms only
        MaxRecords=ALARMS_MAX,
    )
    rows = [*(answer.get("CompositeAlarms") or ()), *(answer.get("MetricAlarms") or ())]
    return {str(one.get("AlarmArn", "")): one for one in rows}


def _is_fine(row: Mapping[str, Any] | None) -> bool:  # Any: AWS's answer
    return row is not None and row.get("StateValue") == _OK and _is_armed(row)


def _is_armed(row: Mapping[str, Any]) -> bool:  # Any: AWS's answer
    return bool(row.get("ActionsEnabled", True))


def _told(alarm: Alarm, row: Mapping[str, Any] | None) -> Finding:  # Any: AWS's answer
    """What is to be said of an alarm that is not simply OK."""
    if row is None:
        return Finding(
            severity=Severity.WARN,
            message=f"alarm {alarm.name} of the environment is not there ({alarm.arn});"
            " what AppConfig does then is not known",
            hint="make it again, or take it from the environment: aws appconfig update-environment",
        )
    state = row.get("StateValue", "?")
    if not _is_armed(row):
        return Finding(
            severity=Severity.WARN,
            message=f"alarm {alarm.name} is {state} and its actions are disabled:"
            " AppConfig does not roll back by it",
            hint=_command("enable-alarm-actions", alarm),
        )
    why = " ".join(str(row.get("StateReason", "")).split())[:REASON_CHARS_MAX]
    return Finding(
        severity=Severity.REFUSE,
        message="AppConfig would roll back every deployment, the kill too:"
        f" alarm {alarm.name} is {state}" + (f" ({why})" if why else ""),
        hint="bring it to OK, or let deployments through all the same: "
        + _command("disable-alarm-actions", alarm),
    )


def _unseen(asked: Sequence[Alarm], error: RolloutctlError) -> Finding:
    names = ", ".join(one.name for one in asked)
    look = _command("describe-alarms", *asked)
    is_denied = isinstance(error, Unauthorized)
    return Finding(
        severity=Severity.WARN,
        message=f"alarms {names}: how they stand was not seen ({error.message}); {_ITSELF}",
        hint=f"allow cloudwatch:DescribeAlarms, or look: {look}" if is_denied else f"look: {look}",
    )
