"""Is what the control plane says what applications get? A session of the data plane tells.

Asked once for each deployment that is looked at, because AWS bills it: what was confirmed is
kept in memory by its deployment's number, and asked again by the next process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from rolloutctl.clock import SystemClock
from rolloutctl.core.exposure import describe
from rolloutctl.core.target import Target
from rolloutctl.errors import Unauthorized
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.data_plane import Served, content_of, open_session
from rolloutctl.providers.appconfig.flag import served
from rolloutctl.providers.appconfig.place import format_address, spec_of
from rolloutctl.providers.appconfig.reading import View
from rolloutctl.providers.appconfig.whole import WholeView, version_of

#: How long a complete deployment may take to reach the data plane; AWS states no figure.
PATIENCE_S = 10.0
#: Between two sessions, which AWS bills.
PAUSE_S = 1.0
#: Deployments remembered as confirmed.
KEPT_MAX = 256
_confirmed: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What the data plane says of the control plane's word.

    Attributes:
        contradiction: what applications get instead; "" where nothing contradicts.
        note: why it could not be told; "" where it agrees.
    """

    contradiction: str = ""
    note: str = ""


def confirm_flag(api: Api, view: View) -> Confirmation:
    """Does a session get the exposure of `view`, which has one? Waits a moment for it."""
    exposure, _ = view.exposure
    if exposure is None:
        return Confirmation()
    target = view.target

    def compared(got: Served) -> Confirmation:
        value = got.flag(target)
        if value is None:
            return Confirmation(contradiction="applications get no such flag")
        found, problem = served(value, target)
        if found is None:
            return Confirmation(note=f"the data plane's flag cannot be read: {problem}")
        if found == exposure:
            return Confirmation()
        return Confirmation(contradiction=f"applications still get {describe(found)}")

    mark = hashlib.sha256(json.dumps(view.value, sort_keys=True).encode()).hexdigest()
    return _confirmation(api, target, f"{view.version} {mark}", compared)


def confirm_whole(api: Api, view: WholeView) -> Confirmation:
    """Does a session get the version that is in force? Waits a moment for it."""
    if view.exposure is None or view.is_moving:
        return Confirmation()

    def compared(got: Served) -> Confirmation:
        wanted = content_of(api, view.number)
        if wanted.is_got_as(got):
            return Confirmation()
        arms = {version_of(view.target.control), version_of(view.target.canary)} - {view.number}
        if wanted.is_flags and not any(content_of(api, one).is_got_as(got) for one in arms):
            # How AWS sends flags is known from its guide only: what is neither proves nothing.
            return Confirmation(note="what the data plane sends is not known as either version")
        return Confirmation(contradiction=f"applications still get another than {view.number}")

    return _confirmation(api, view.target, view.version, compared)


def _confirmation(
    api: Api, target: Target, state: str, compared: Callable[[Served], Confirmation]
) -> Confirmation:
    """Asks until it agrees or patience ends. Raises the mapped errors but `Unauthorized`."""
    place = f"{format_address(target)} {spec_of(target).endpoint}"
    if _confirmed.get(place) == state:
        return Confirmation()
    ends_s = api.remaining_s - PATIENCE_S
    while True:
        try:
            found = compared(open_session(api, target))
        except Unauthorized as error:
            # A kill is not held up for a right that only looking needs.
            return Confirmation(note=f"not confirmed on the data plane: {error.message}")
        if found == Confirmation():
            _remember(place, state)
        if not found.contradiction or api.remaining_s - PAUSE_S <= max(ends_s, 0):
            return found
        SystemClock().sleep(PAUSE_S)


def _remember(place: str, state: str) -> None:
    if len(_confirmed) >= KEPT_MAX:
        _confirmed.clear()
    _confirmed[place] = state
