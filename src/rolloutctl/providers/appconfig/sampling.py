"""Sessions of the data plane, as applications open them: which version each is given.

Only for whole versions. The variants of a flag are split by the AppConfig Agent, by a hash
that AWS has not published: nobody can ask for that in advance.
https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_Operations_AWS_AppConfig_Data.html
"""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.target import Target
from rolloutctl.errors import Unauthorized, Unavailable
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.place import spec_of
from rolloutctl.providers.appconfig.reading import DOCUMENT_BYTES_MAX
from rolloutctl.providers.appconfig.whole import version_of

#: Sessions opened at most: each is two calls that AWS bills.
SESSIONS_MAX = 200
#: Sessions opened at once.
AT_ONCE = 8
#: The shortest that AWS takes; each session asks once.
POLL_S = 15
_OTHER = "other"


def sample_whole(api: Api, target: Target, units: int) -> ArmCounts:
    """Opens sessions and counts what they get, by label and content of the two versions.

    Fewer than `units` where that is more than `SESSIONS_MAX`. Raises the mapped errors.
    """
    arms = {CONTROL: version_of(target.control), CANARY: version_of(target.canary)}
    known = {}
    for arm, number in arms.items():
        for mark in _marks_of_version(api, number):
            known[mark] = arm
    count = max(1, min(units, SESSIONS_MAX))
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, count)) as pool:
        got = list(pool.map(lambda _: _asked(api, target, known), range(count)))
    found = Counter(got)
    return ArmCounts(
        units=count,
        arms=((CONTROL, found[CONTROL]), (CANARY, found[CANARY])),
        other=found[_OTHER],
        errors=found[""],
    )


def _marks_of_version(api: Api, number: str) -> list[str]:
    answer = api.read("get_hosted_configuration_version", **api.profile, VersionNumber=int(number))
    return _marks(answer["Content"], answer.get("VersionLabel"))


def _marks(content: Any, label: object) -> list[str]:
    """By what a version is known; the content first, a label may be moved."""
    raw = content.read(DOCUMENT_BYTES_MAX)
    marks = [hashlib.sha256(raw).hexdigest()]
    return [*marks, f"label {label}"] if label else marks


def _asked(api: Api, target: Target, known: dict[str, str]) -> str:
    """The arm that one session gets; "" where it got no answer."""
    spec = spec_of(target)
    try:
        session = api.data(
            "start_configuration_session",
            ApplicationIdentifier=spec.application,
            EnvironmentIdentifier=spec.environment,
            ConfigurationProfileIdentifier=spec.profile,
            RequiredMinimumPollIntervalInSeconds=POLL_S,
        )
        token = session["InitialConfigurationToken"]
        answer = api.data("get_latest_configuration", ConfigurationToken=token)
    except Unauthorized:
        raise
    except Unavailable:
        return ""
    marks = _marks(answer["Configuration"], answer.get("VersionLabel"))
    return next((known[mark] for mark in marks if mark in known), _OTHER)
