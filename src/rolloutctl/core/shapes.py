"""The playbook's own keys, as the decoder and the published schema read them.

Sections that hold a plug-in's keys beside ours are `Node`s here: `core.parse` decodes
them with the plug-in's own spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rolloutctl.core.document import Node
from rolloutctl.core.playbook import OnDrift, OnFail, OnInconclusive, OnSilence
from rolloutctl.core.units import DurationS, Name, Share, doc, key

#: What stands in for a required section while the rest is still being looked at.
NOWHERE = Node(kind="scalar", line=1, column=1)


def _required(text: str, *, key: str | None = None) -> dict[str, str | bool]:
    """Metadata of a field that must be written; its default only stands in after an error."""
    metadata: dict[str, str | bool] = {"doc": text, "required": True}
    return metadata if key is None else {**metadata, "key": key}


class ApiVersion(StrEnum):
    """The version of the playbook language."""

    V1 = "rolloutctl/v1"


class DocumentKind(StrEnum):
    """What the document is."""

    PLAYBOOK = "Playbook"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShape:
    """A value that is given when a rollout starts (`--input name=value`)."""

    default: Name | None = doc("Taken when none is given; without it one must be.", default=None)
    choices: tuple[Name, ...] = doc("The only values allowed.", default=())
    description: str = doc("What it is for.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmShape:
    """One arm of a target: its value there and how metrics name it."""

    value: Name = key("is", doc="The variant, version or value that this arm is served.")
    labels: Mapping[str, Name] = doc(
        "How metrics name this arm; referred to as ${canary.labels.x}.", default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowShape:
    """The second flag, by which the application asks whether to mirror a request."""

    flag: Name = doc("The flag that answers: mirror this request?")
    labels: Mapping[str, Name] = doc(
        "How metrics name mirrored requests; laid over the canary's.", default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetShape:
    """One thing whose exposure changes; the other keys are the provider's."""

    provider: str = field(default="", metadata=_required("The adapter that reads and writes it."))
    control: Name | ArmShape = field(default="", metadata=_required("What is served today."))
    canary: Name | ArmShape = field(default="", metadata=_required("What is being rolled out."))
    shadow: ShadowShape | None = doc("Where requests can be mirrored.", default=None)
    unit: Name = doc("Who keeps the arm they were given (user, session, …).", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindShape:
    """A source or a notifier; the other keys are its kind's."""

    kind: str = doc("The kind; left out where the entry is named like its kind.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsShape:
    """What every gate takes unless it says otherwise."""

    on_no_data: OnSilence | None = doc("What missing data leads to.", default=None)
    on_error: OnSilence | None = doc("What an error of the source leads to.", default=None)
    on_inconclusive: OnInconclusive | None = doc(
        "What an undecided gate leads to at the end of the hold.", default=None
    )
    warm_up: DurationS | None = doc(
        "Time after the step's write before a judgement counts (0s).", default=None
    )
    interval: DurationS | None = doc("Time between two measurements (30s).", default=None)
    failure_limit: int | None = doc("Failing measurements tolerated in a step (0).", default=None)
    consecutive_successes: int | None = doc(
        "Passing measurements in a row that make a pass (1).", default=None
    )
    min_sample: float | None = doc("Events below which nothing is judged (0).", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShape(DefaultsShape):
    """A condition that must pass; the other keys are its kind's."""

    kind: str = field(default="", metadata=_required("The method of judging."))
    source: str = doc("The source that is asked.", default="")
    target: str = doc("Which target ${canary…} means, where there are several.", default="")
    observe_only: bool = doc("Recorded, never acted on (false).", default=False)
    on_fail: OnFail | None = doc(
        "What a failure leads to (the playbook's; sample-ratio: pause).", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """One step; the key that names a step kind says what it does."""

    name: Name | None = doc("How screens and verbs name it.", default=None)
    target: str | None = doc("The one target it changes.", default=None)
    targets: tuple[str, ...] | None = doc("The targets it changes (all).", default=None)
    hold: DurationS = doc("How long it is held at least (0s).", default=0.0)
    before: tuple[str, ...] = doc("Gates that must pass before the step's write.", default=())
    gates: tuple[str, ...] = doc("Gates that must pass before the step is left.", default=())
    confirm: bool = doc("Ask a person before the step is left (false).", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsShape:
    """Bounds of the whole rollout."""

    deadline: DurationS = doc("The longest the rollout may take (7d).", default=7 * 86400.0)
    rollback: DurationS = doc("How long a rollback is retried (10m).", default=600.0)
    observe: DurationS = doc("Time between two looks at a held target (30s).", default=30.0)
    false_aborts: Share = doc(
        "How many healthy rollouts the statistical gates may abort, all together (5%).",
        default=0.05,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookShape:
    """A rollout, declared: what changes, in which steps, judged by what."""

    api_version: ApiVersion = field(
        default=ApiVersion.V1,
        metadata=_required("The language's version.", key="apiVersion"),
    )
    kind: DocumentKind = field(
        default=DocumentKind.PLAYBOOK, metadata=_required("What the document is.")
    )
    name: str = field(
        default="", metadata=_required("The playbook's name; rollouts are named after it.")
    )
    description: str = doc("What the rollout is for.", default="")
    owner: str = doc("Who answers for it.", default="")
    inputs: Node = doc("Values given at the start.", default=NOWHERE)
    targets: Node = field(
        default=NOWHERE, metadata=_required("What changes, by name, in the order of the writes.")
    )
    sources: Node = doc("Where measurements come from, by name.", default=NOWHERE)
    defaults: Node = doc("What every gate takes unless it says otherwise.", default=NOWHERE)
    gates: Node = doc("Conditions, by name.", default=NOWHERE)
    guardrails: tuple[str, ...] = doc("Gates judged in every phase of the rollout.", default=())
    notifiers: Node = doc("Who is told, by name.", default=NOWHERE)
    steps: Node = field(default=NOWHERE, metadata=_required("What is done, one after the other."))
    verify_exposure: bool = doc(
        "Ask the vendor's real SDK after each change, before the step is left (false).",
        default=False,
    )
    on_fail: OnFail = doc("What a failing gate or step leads to.", default=OnFail.ROLLBACK)
    on_drift: OnDrift = doc("What somebody else's edit leads to.", default=OnDrift.PAUSE)
    limits: Node = doc("Bounds of the whole rollout.", default=NOWHERE)
