"""The kill: the control deployed to everybody at once, from any state.

Never by a revert: in steps the preceding version is the step before, not the control.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rolloutctl.clock import SystemClock
from rolloutctl.core.answers import Receipt
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.deploying import deploy, stop_ours, strategy_id
from rolloutctl.providers.appconfig.flag import killed
from rolloutctl.providers.appconfig.place import format_address, spec_of
from rolloutctl.providers.appconfig.reading import View, blocking, ends_at, read
from rolloutctl.providers.appconfig.versions import stored_version

#: About how long a kill goes on trying, in seconds.
KILL_LASTS_S = 30.0


def kill(api: Api, target: Target, *, stops_foreign: bool = False) -> Receipt:
    """Deploys the control, even where it is served already: the version must move.

    Raises: `Conflict` where somebody else's deployment is in the way, unless it may be stopped.
    """
    view, stopped = _cleared(api, read(api, target), target, stops_foreign=stops_foreign)
    document = with_value(view, killed(view.value, target))
    version = str(view.deployment["ConfigurationVersion"])
    if document != view.document:
        version = stored_version(api, document, "kill", is_kill=True)
    strategy = strategy_id(api, is_kill=True)
    number = deploy(api, version, latest=view.latest, strategy=strategy, what="kill")
    return Receipt(
        version=f"{number}.{number}",
        changed=f"{stopped}deployment {number}: version {version}, the control for everybody",
        untouched="other variants stay in the document, reached by nobody",
    )


def with_value(view: View, value: object) -> dict[str, object]:
    """The document in force with our flag's value changed, and nothing else."""
    return {
        **view.document,
        "values": {**view.document["values"], spec_of(view.target).flag: value},
    }


def _cleared(api: Api, view: View, target: Target, *, stops_foreign: bool) -> tuple[View, str]:
    """The environment free for the next deployment, and what was stopped for that."""
    flight = view.in_flight
    if flight is None:
        return view, ""
    if not stop_ours(api, flight, is_any=stops_foreign):
        raise in_the_way(target, flight)
    return read(api, target), f"stopped {blocking(flight)}; "


def in_the_way(target: Target, flight: dict[str, Any]) -> Conflict | Rejected:  # Any: AWS's answer
    """Why the kill cannot go on: somebody else's deployment.

    `Conflict`, which is tried again, only where that may end while the kill lasts.
    """
    address = format_address(target)
    ends = ends_at(flight)
    is_long = ends is not None and ends > SystemClock().now() + timedelta(seconds=KILL_LASTS_S)
    return (Rejected if is_long else Conflict)(
        f"{address} cannot be killed now: {blocking(flight)}; it is not ours",
        hint="if that may be stopped: rolloutctl kill"
        f" '{address}' --to {target.control.value} --stop-foreign",
    )
