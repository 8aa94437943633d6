"""A flag's configuration in one environment, as typed values, exact enough to write back.

Knows the shapes of the REST API and nothing of rollouts. The API reads variations by index
and writes them by id; here they always go by id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected

#: Weights are thousandths of a percent.
WEIGHT_TOTAL = 100_000
#: The context kind that is meant where none is said.
USER = "user"
#: Parts of a rollout that no semantic patch can write.
_UNWRITABLE = ("seed", "experimentAllocation", "progressiveRolloutConfiguration")

#: From how a document names a variation to its id.
_IdOf = Callable[[object], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One of the flag's variations; `text` is its value as people write it."""

    id: str
    name: str
    text: str

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.name or self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """What a rule serves: one variation, or a percentage rollout if `variation` is empty.

    `weights` stand in the listed order, which decides who gets what. `unwritable` is what
    the API reads but does not write: a seed, an experiment, untracked variations.
    """

    variation: str = ""
    weights: tuple[tuple[str, int], ...] = ()
    context_kind: str = USER
    bucket_by: str = ""
    unwritable: Mapping[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """The API's shape, with ids."""
        if self.variation:
            return {"variation": self.variation}
        weights: Json = [{"variation": name, "weight": weight} for name, weight in self.weights]
        own: dict[str, Json] = {"variations": weights, "contextKind": self.context_kind}
        if self.bucket_by:
            own["bucketBy"] = self.bucket_by
        return {"rollout": {**own, **self.unwritable}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One condition of a rule; its id changes when it is written anew, so it is not kept."""

    attribute: str
    op: str
    values: tuple[Json, ...]
    context_kind: str = USER
    negate: bool = False

    def as_json(self) -> dict[str, Json]:
        """As the API takes it."""
        return {
            "contextKind": self.context_kind,
            "attribute": self.attribute,
            "op": self.op,
            "values": list(self.values),
            "negate": self.negate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One targeting rule. The id is identity, not configuration; empty for a new one."""

    id: str = ""
    description: str = ""
    clauses: tuple[Clause, ...] = ()
    serve: Serve
    track_events: bool = False
    disabled: bool = False

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.description or self.id

    def as_json(self) -> dict[str, Json]:
        """The API's shape without the id."""
        return {
            "description": self.description,
            "clauses": [clause.as_json() for clause in self.clauses],
            "trackEvents": self.track_events,
            "disabled": self.disabled,
            **self.serve.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeted:
    """Context keys that get one variation whatever the rules say."""

    context_kind: str
    variation: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """Another flag that must serve its variation with this index."""

    flag: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that one environment says of whom a flag serves what."""

    on: bool
    off_variation: str
    fallthrough: Serve
    rules: tuple[Rule, ...] = ()
    targets: tuple[Targeted, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()

    def as_json(self, *, with_ids: bool) -> dict[str, Json]:
        """The whole configuration; ids of rules are left out of fingerprints."""
        rules: list[Json] = [
            {**({"_id": rule.id} if with_ids else {}), **rule.as_json()} for rule in self.rules
        ]
        targets: list[Json] = [
            {"contextKind": each.context_kind, "variation": each.variation, "values": [*each.keys]}
            for each in self.targets
        ]
        prerequisites: list[Json] = [
            {"key": each.flag, "variation": each.index} for each in self.prerequisites
        ]
        return {
            "on": self.on,
            "offVariation": self.off_variation,
            "fallthrough": self.fallthrough.as_json(),
            "rules": rules,
            "targets": targets,
            "prerequisites": prerequisites,
        }

    def with_rule(self, rule: Rule) -> Configuration:
        """With `rule` in the place of the one that has its id."""
        changed = [rule if each.id == rule.id else each for each in self.rules]
        return replace(self, rules=tuple(changed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag as one read showed it. `facts` is the whole answer of the API."""

    key: str
    variations: tuple[Variation, ...]
    version: int
    found: Configuration
    environment: Mapping[str, object]
    facts: Mapping[str, object]

    def label(self, variation: str) -> str:
        """What people know the variation by."""
        return next((v.label for v in self.variations if v.id == variation), variation)


def digest(document: Json) -> str:
    """SHA-256 of a JSON value, equal for equal values."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_variations(facts: object) -> tuple[Variation, ...]:
    """The variations of the API's answer. Raises `Rejected` for another shape."""
    with _Shape("the flag's variations"):
        return tuple(_variation(_mapping(each)) for each in _list(_mapping(facts)["variations"]))


def parse_flag(facts: object, environment: str) -> Flag:
    """Reads the API's answer. Raises `Rejected` if it has not the shape of 20240415."""
    variations = parse_variations(facts)

    def id_of(index: object) -> str:
        return variations[_whole(index)].id

    with _Shape("the flag"):
        whole = _mapping(facts)
        own = _mapping(_mapping(whole["environments"])[environment])
        return Flag(
            key=str(whole["key"]),
            variations=variations,
            version=_whole(own["version"]),
            found=_configuration(own, id_of),
            environment=own,
            facts=whole,
        )


def parse_snapshot(document: object, what: str) -> Configuration:
    """Reads what `Configuration.as_json` wrote. Raises `Rejected` for another shape."""
    with _Shape(what):
        return _configuration(_mapping(document), str)


class _Shape:
    """Turns what goes wrong in a shape into one error; nothing is guessed."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, IndexError)):
            raise Rejected(
                f"{self._what}: not a configuration that this version of rolloutctl knows"
                f" ({type(error).__name__}: {error})",
                hint="check that the address is LaunchDarkly's, and look for a newer rolloutctl",
            ) from error


def _configuration(document: Mapping[str, object], id_of: _IdOf) -> Configuration:
    off = document.get("offVariation")
    targets = [
        *_list(document.get("targets") or []),
        *_list(document.get("contextTargets") or []),
    ]
    return Configuration(
        on=_truth(document["on"]),
        off_variation="" if off in {None, ""} else id_of(off),
        fallthrough=_serve(_mapping(document["fallthrough"]), id_of),
        rules=tuple(_rule(_mapping(each), id_of) for each in _list(document.get("rules") or [])),
        targets=_targets([_mapping(each) for each in targets], id_of),
        prerequisites=tuple(
            Prerequisite(flag=str(each["key"]), index=_whole(each["variation"]))
            for each in map(_mapping, _list(document.get("prerequisites") or []))
        ),
    )


def _variation(document: Mapping[str, object]) -> Variation:
    return Variation(
        id=str(document["_id"]),
        name=str(document.get("name") or ""),
        text=text_of(document["value"]),
    )


def text_of(found: object) -> str:
    """A value as people write it: true, 3, gpt-4, {"model":"gpt-4"}."""
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))


def _serve(document: Mapping[str, object], id_of: _IdOf) -> Serve:
    if document.get("variation") is not None:
        return Serve(variation=id_of(document["variation"]))
    rollout = _json(document["rollout"])
    weighted = [_mapping(each) for each in _list(rollout["variations"])]
    unwritable = {name: rollout[name] for name in _UNWRITABLE if rollout.get(name) is not None}
    untracked: list[Json] = [id_of(e["variation"]) for e in weighted if e.get("_untracked")]
    untracked += _list(rollout.get("untracked") or [])  # type: ignore[arg-type]  # our snapshot's
    if untracked:
        unwritable["untracked"] = untracked
    return Serve(
        weights=tuple((id_of(each["variation"]), _whole(each["weight"])) for each in weighted),
        context_kind=str(rollout.get("contextKind") or USER),
        bucket_by=str(rollout.get("bucketBy") or ""),
        unwritable=unwritable,
    )


def _rule(document: Mapping[str, object], id_of: _IdOf) -> Rule:
    return Rule(
        id=str(document.get("_id") or ""),
        description=str(document.get("description") or ""),
        clauses=tuple(_clause(_json(each)) for each in _list(document["clauses"])),
        serve=_serve(document, id_of),
        track_events=bool(document.get("trackEvents", False)),
        disabled=bool(document.get("disabled", False)),
    )


def _clause(document: Mapping[str, Json]) -> Clause:
    return Clause(
        context_kind=str(document.get("contextKind") or USER),
        attribute=str(document["attribute"]),
        op=str(document["op"]),
        values=tuple(document["values"]),  # type: ignore[arg-type]  # a TypeError is handled
        negate=bool(document.get("negate", False)),
    )


def _targets(documents: list[Mapping[str, object]], id_of: _IdOf) -> tuple[Targeted, ...]:
    """Sorted, without empty lists: placeholders among `contextTargets` say nothing."""
    keys: dict[tuple[str, str], set[str]] = {}
    for each in documents:
        place = (str(each.get("contextKind") or USER), id_of(each["variation"]))
        keys.setdefault(place, set()).update(str(key) for key in _list(each["values"]))
    return tuple(
        Targeted(context_kind=kind, variation=variation, keys=tuple(sorted(found)))
        for (kind, variation), found in sorted(keys.items())
        if found
    )


def _mapping(found: object) -> Mapping[str, object]:
    if not isinstance(found, Mapping):
        raise TypeError(f"an object was expected, not {type(found).__name__}")
    return found


def _json(found: object) -> Mapping[str, Json]:
    """An object that came from JSON, so its values are JSON too."""
    return dict(_mapping(found))  # type: ignore[arg-type]  # what json.loads made


def _list(found: object) -> list[object]:
    if not isinstance(found, list | tuple):
        raise TypeError(f"a list was expected, not {type(found).__name__}")
    return list(found)


def _truth(found: object) -> bool:
    if not isinstance(found, bool):
        raise TypeError(f"true or false was expected, not {found!r:.40}")
    return found


def _whole(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, int):
        raise TypeError(f"a whole number was expected, not {found!r:.40}")
    return found
