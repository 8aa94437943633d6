"""The events that people are told of, by the name that messages and filters use; pure."""

from __future__ import annotations

from collections.abc import Mapping

#: Name and what it tells; `runner.messages` makes them, a test holds the two together.
MESSAGE_EVENTS: Mapping[str, str] = {
    "started": "the rollout began",
    "taken-over": "another account or machine drives it now",
    "step-entered": "a step began",
    "step-overridden": "a step was left against its gates",
    "applied": "a write was seen in force",
    "apply-failed": "a write did not happen",
    "gate-fail": "a gate or guardrail fails",
    "gate-error": "a gate's source cannot answer",
    "gate-no-data": "a gate has no data",
    "asked": "a human is asked",
    "approved": "the question was answered with yes",
    "paused": "the weight is frozen",
    "resumed": "the pause was undone",
    "promote-refused": "a promotion was refused",
    "drifted": "somebody else edited a target",
    "outside-killed": "another hand set a target to zero",
    "rollback-started": "it goes back",
    "unsettled": "a restored target is not restored any more",
    "kill-requested": "somebody asked for a kill",
    "kill-not-confirmed": "a kill could not be confirmed",
    "held": "time is up, nobody drives",
    "stuck": "a rollback or kill is not confirmed: a human must look",
    "finished": "the end, confirmed",
    "notify": "a step's own text",
}
