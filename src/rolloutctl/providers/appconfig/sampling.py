"""Which arm units get: sessions of the data plane, or its document's rules over made-up units.

Whole versions are grown by AWS session by session: each is asked. A flag's variants are
split by the AppConfig Agent; the document is AWS's, its rules are evaluated here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rolloutctl.core.exposure import CANARY, CONTROL, split
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected, Unauthorized, Unavailable
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.data_plane import Served, content_of, open_session
from rolloutctl.providers.appconfig.flag import VARIANTS, Value
from rolloutctl.providers.appconfig.place import OFF, ON, format_address, is_switch, spec_of
from rolloutctl.providers.appconfig.rule_evaluation import is_met, keys_of
from rolloutctl.providers.appconfig.rule_language import Call, parse_rule
from rolloutctl.providers.appconfig.whole import read_whole, version_of

#: Sessions opened at most: each is two calls that AWS bills.
SESSIONS_MAX = 200
#: Sessions opened at once.
AT_ONCE = 8
#: Where a growth moved on while it was asked, it is asked again; sessions are billed.
TRIES_MAX = 2
_OTHER = "other"
_OURS = (
    "the document is what AWS's data plane serves, its rules are evaluated by rolloutctl:"
    " the Agent's hash is not published"
)
_SESSIONS = "each a session of AWS's data plane"


def sample_flag(api: Api, target: Target, units: int) -> ArmCounts:
    """Evaluates the flag, as the data plane serves it, for made-up units.

    Raises `Rejected` for a rule that cannot be evaluated here, and the mapped errors.
    """
    value = open_session(api, target).flag(target)
    if value is None:
        raise Rejected(
            f"{format_address(target)}: the data plane serves no such flag",
            hint="see what applications get: aws appconfigdata get-latest-configuration",
        )
    key = spec_of(target).split_by
    try:
        rules = _rules(value)
        choose = _chooser(value, rules, target)
        found = Counter(choose({key: f"unit-{number}"}) for number in range(units))
    except ValueError as error:
        message = f"{format_address(target)}: a rule cannot be evaluated here: {error}"
        raise Rejected(message, hint="compare the arms: a gate of kind sample-ratio") from error
    read = {name for rule in rules if rule is not None for name in keys_of(rule)}
    return ArmCounts(
        units=units,
        arms=((CONTROL, found[CONTROL]), (CANARY, found[CANARY])),
        other=found[_OTHER],
        context=(key,) if rules else (),
        missing=tuple(sorted(read - {key})),
        evaluated_by=_OURS,
    )


def _rules(value: Value) -> list[Call | None]:
    """Of the variants in their order; None for the default."""
    return [
        None if one.get("rule") is None else parse_rule(str(one["rule"]))
        for one in value.get(VARIANTS, ())
    ]


def _chooser(
    value: Value, rules: list[Call | None], target: Target
) -> Callable[[dict[str, str]], str]:
    """What gives a unit's context its arm: the first variant whose rule holds."""
    seed = spec_of(target).flag
    arms = [_arm(one, target) for one in value.get(VARIANTS, (value,))]

    def choose(context: dict[str, str]) -> str:
        for arm, rule in zip(arms, rules or [None], strict=True):
            if rule is None or is_met(rule, context, seed=seed):
                return arm
        return _OTHER

    return choose


def _arm(variant: Value, target: Target) -> str:
    """The arm that a variant is; of a switch only whether it is on counts."""
    name = variant.get("name")
    if is_switch(target):
        name = ON if variant.get("enabled") is True else OFF
    named = {target.control.value: CONTROL, target.canary.value: CANARY}
    return named.get(str(name), _OTHER)


def sample_whole(api: Api, target: Target, units: int) -> ArmCounts:
    """Opens sessions and counts what they get, by the content of the two versions.

    Fewer than `units` where that is more than `SESSIONS_MAX`. Raises the mapped errors.
    """
    arms = {CONTROL: version_of(target.control), CANARY: version_of(target.canary)}
    known = {arm: content_of(api, number) for arm, number in arms.items()}
    count = max(1, min(units, SESSIONS_MAX))
    for _ in range(TRIES_MAX):
        before, got = read_whole(api, target), _ask_all(api, target, known, count)
        after = read_whole(api, target)
        if (after.version, after.percent) == (before.version, before.percent):
            break
    found = Counter(got)
    return ArmCounts(
        units=count,
        arms=((CONTROL, found[CONTROL]), (CANARY, found[CANARY])),
        other=found[_OTHER],
        errors=found[""],
        evaluated_by=_SESSIONS,
        growing=split(after.percent * 100) if after.is_moving and after.exposure else None,
    )


def _ask_all(api: Api, target: Target, known: dict[str, Served], count: int) -> list[str]:
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, count)) as pool:
        return list(pool.map(lambda _: _asked(api, target, known), range(count)))


def _asked(api: Api, target: Target, known: dict[str, Served]) -> str:
    """The arm that one session gets; "" where it got no answer."""
    try:
        got = open_session(api, target)
    except Unauthorized:
        raise
    except Unavailable:
        return ""
    return next((arm for arm, stored in known.items() if stored.is_got_as(got)), _OTHER)
