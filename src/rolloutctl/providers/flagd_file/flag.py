"""One flag of a flagd file: what it serves, why it may not be touched, and how to change it.

Pure: reads and edits text, knows no file. The same code drives the flag of the target
(control and canary variant) and the shadow flag ("off" and "on").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from rolloutctl.core.exposure import FULL_BP, format_bp
from rolloutctl.core.json_types import Json
from rolloutctl.providers.flagd_file.document import Edit, Node, children, is_spaced, new_member
from rolloutctl.providers.flagd_file.targeting import (
    WEIGHT_SUM_MAX,
    Foreign,
    Split,
    Targeting,
    read_targeting,
    variant_name,
)

#: Members that SDKs know; openfeature-provider-flagd 0.6.1 rejects the WHOLE file on another.
KNOWN_MEMBERS = frozenset(
    {"state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector"}
)


class Arms(NamedTuple):
    """The variants that a rollout moves units between."""

    control: str
    canary: str


#: The convention of a shadow flag: the application mirrors a request when it answers "on".
SHADOW = Arms(control="off", canary="on")


class Served(NamedTuple):
    """The canary's share in basis points, None where it cannot be said, and a line of detail."""

    canary_bp: int | None
    detail: str = ""


class Refusal(NamedTuple):
    """Why a flag may not be driven, and the way out."""

    reason: str
    fix: str


class KillEdits(NamedTuple):
    """Edits that bring a flag to its control variant, what they do, and what they leave."""

    edits: tuple[Edit, ...]
    changed: tuple[str, ...]
    untouched: tuple[str, ...]


class Flag(NamedTuple):
    """A flag as it stands in the text of a file. Where a key stands twice, SDKs take the last.

    Attributes:
        text: the text of the whole file.
        node: the member of `flags`.
        members: the flag's own members, in order.
        duplicates: keys that stand there twice, the flag's own included.
    """

    text: str
    node: Node
    members: tuple[Node, ...]
    duplicates: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The flag's key."""
        return self.node.key

    @property
    def source(self) -> str:
        """The flag's own text, exactly."""
        return self.text[self.node.start : self.node.end]

    def member(self, key: str) -> Node | None:
        """The member that counts for `key`."""
        found = [member for member in self.members if member.key == key]
        return found[-1] if found else None

    @property
    def state(self) -> Json:
        """ENABLED or DISABLED in a file that SDKs accept."""
        member = self.member("state")
        return member.value if member else None

    @property
    def variants(self) -> dict[str, Json]:
        """Variants that have a value; an SDK can serve no other."""
        member = self.member("variants")
        found = member.value if member else None
        if not isinstance(found, dict):
            return {}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def default(self) -> str | None:
        """The `defaultVariant`; None where applications use the default in their code."""
        member = self.member("defaultVariant")
        return variant_name(member.value) if member else None

    @property
    def targeting(self) -> Targeting:
        """The rule that picks variants."""
        member = self.member("targeting")
        return read_targeting(self.text, member) if member else None


def read_flag(text: str, nodes: Sequence[Node]) -> Flag:
    """Builds the flag from all members of `flags` with its name; the last one counts."""
    node = nodes[-1]
    members = children(text, node.start)[0] if isinstance(node.value, dict) else ()
    keys = [member.key for member in members]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    duplicates = ([node.key] if len(nodes) > 1 else []) + twice
    return Flag(text=text, node=node, members=members, duplicates=tuple(duplicates))


def served(flag: Flag, arms: Arms) -> Served:
    """What the flag serves.

    SAFETY: answers None rather than 0 whenever some SDK could serve anything but
    control; a kill is confirmed by this answer.
    """
    if flag.state == "DISABLED":
        return Served(0, f"{flag.name} is DISABLED: applications use the default in their code")
    if flag.state != "ENABLED":
        return Served(None, f"the state of {flag.name} is {flag.state!r}: SDKs refuse the file")
    match flag.targeting:
        case Foreign(reason=reason):
            return Served(None, f"{flag.name}: {reason}")
        case Split() as found:
            return _served_by_split(flag, found, arms)
        case None:
            return _served_by_default(flag, arms)


def _served_by_default(flag: Flag, arms: Arms) -> Served:
    if flag.default is None:
        return Served(0, f"{flag.name} has no defaultVariant: applications use their own default")
    if flag.default in arms and flag.default in flag.variants:
        return Served(0 if flag.default == arms.control else FULL_BP)
    return Served(None, f"{flag.name} serves {flag.default!r} to everybody")


def _served_by_split(flag: Flag, found: Split, arms: Arms) -> Served:
    total = found.total
    if total is None:
        return Served(None, f"{flag.name}: a weight is not a whole number, SDKs disagree on it")
    if not 0 < total <= WEIGHT_SUM_MAX:
        return Served(None, f"{flag.name}: the weights sum to {total}, outside 1..{WEIGHT_SUM_MAX}")
    live = {share.variant for share in found.shares if share.weight}
    strangers = sorted((live - set(arms)) | (live - flag.variants.keys()))
    if strangers:
        return Served(None, f"{flag.name} also serves {', '.join(strangers)}")
    weight = sum(share.weight or 0 for share in found.shares if share.variant == arms.canary)
    if flag.default not in {None, arms.control} and live != {flag.default}:
        return Served(None, f"{flag.name} serves {flag.default!r} to units that it cannot bucket")
    return Served(_basis_points(weight, total))


def _basis_points(weight: int, total: int) -> int:
    """Rounds to basis points, but never a share above nobody to nobody, nor below all to all."""
    if weight in {0, total}:
        return FULL_BP if weight else 0
    return min(max(round(weight * FULL_BP / total), 1), FULL_BP - 1)


def refusals(flag: Flag, arms: Arms) -> list[Refusal]:
    """Every reason not to drive this flag; empty when it may be."""
    found = [
        Refusal(f"the key {key!r} stands in it twice", "remove one of the two")
        for key in flag.duplicates
    ]
    if flag.state == "DISABLED":
        found.append(
            Refusal(
                "it is DISABLED: applications get the default in their code",
                "turning it on is your decision: set its state to ENABLED, then start again",
            )
        )
    elif flag.state != "ENABLED":
        found.append(Refusal(f"its state is {flag.state!r}", "write ENABLED"))
    found += _variant_refusals(flag, arms)
    return found + _targeting_refusals(flag, arms)


def _variant_refusals(flag: Flag, arms: Arms) -> list[Refusal]:
    known = ", ".join(flag.variants) or "none"
    found = [
        Refusal(f"it has no variant {arm!r} with a value", f"its variants are: {known}")
        for arm in arms
        if arm not in flag.variants
    ]
    if arms.control == arms.canary:
        found.append(Refusal(f"control and canary are both {arms.control!r}", "name two variants"))
    if flag.default != arms.control:
        found.append(
            Refusal(
                f"its defaultVariant is {flag.default!r}, not the control {arms.control!r}:"
                " units that cannot be bucketed would not get control",
                f"set defaultVariant to {arms.control!r}, or swap control and canary",
            )
        )
    return found


def _targeting_refusals(flag: Flag, arms: Arms) -> list[Refusal]:
    targeting = flag.targeting
    if targeting is None:
        return []
    if isinstance(targeting, Foreign):
        return [Refusal(targeting.reason, f"remove the targeting, or make it a {_form(arms)}")]
    found = []
    if sorted(share.variant for share in targeting.shares) != sorted(arms):
        named = ", ".join(share.variant for share in targeting.shares)
        reason = f"its fractional is over ({named}), not over exactly {arms.control}, {arms.canary}"
        found.append(Refusal(reason, f"make it a {_form(arms)}"))
    if targeting.total is None:
        found.append(
            Refusal(
                "a weight in its fractional is not a whole number: the Python SDK then serves"
                " 0% of every arm but the default, others cut the fraction off",
                f"write whole numbers, such as {_form(arms)}",
            )
        )
    return found


def _form(arms: Arms) -> str:
    return "targeting " + _split_text(arms, 0, is_spaced=True)


def _split_text(arms: Arms, canary_bp: int, *, is_spaced: bool) -> str:
    shares = [[arms.control, FULL_BP - canary_bp], [arms.canary, canary_bp]]
    separators = (", ", ": ") if is_spaced else (",", ":")
    return json.dumps({"fractional": shares}, separators=separators)


def edits_to_serve(flag: Flag, arms: Arms, canary_bp: int) -> list[Edit]:
    """The smallest edits after which the flag serves `canary_bp`; none if it does.

    Call only where `refusals` is empty. The order of the arms and the bucketing
    expression stay: changing either would give units the other arm.
    """
    if served(flag, arms).canary_bp == canary_bp:
        return []
    targeting = flag.targeting
    if isinstance(targeting, Split):
        weights = {arms.control: FULL_BP - canary_bp, arms.canary: canary_bp}
        return [share.weighing(weights[share.variant]) for share in targeting.shares]
    text = _split_text(arms, canary_bp, is_spaced=is_spaced(flag.text, flag.members))
    member = flag.member("targeting")
    if member:
        return [Edit(start=member.start, end=member.end, text=text)]
    return [new_member(flag.text, flag.members, ('"targeting"', text))]


def edits_to_kill(flag: Flag, control: str) -> KillEdits:
    """Edits after which nobody gets any variant but `control`, from any state of the flag.

    Every duplicate of a member is edited, so that it does not matter which one counts.
    What is off stays off: a DISABLED flag is not enabled, and a flag that has neither
    rule nor default gets none.
    """
    edits: list[Edit] = []
    changed: list[str] = []
    untouched: list[str] = []
    if flag.state == "DISABLED":
        untouched.append(f"{flag.name} stays DISABLED: applications use the default in their code")
    has_rule = False
    for node in flag.members:
        if node.key == "targeting":
            targeting = read_targeting(flag.text, node)
            has_rule = has_rule or targeting is not None
            rule_edits, what = _edits_to_end_rule(node, targeting, control)
            edits += rule_edits
            changed += [f"{flag.name}: {each}" for each in what]
    quoted = json.dumps(control)
    for node in flag.members:
        is_set = variant_name(node.value) is not None or has_rule
        if node.key == "defaultVariant" and is_set and variant_name(node.value) != control:
            edits.append(Edit(start=node.start, end=node.end, text=quoted))
            changed.append(f"{flag.name}: defaultVariant {json.dumps(node.value)} -> {quoted}")
    if flag.member("defaultVariant") is None and has_rule:
        edits.append(new_member(flag.text, flag.members, ('"defaultVariant"', quoted)))
        changed.append(f"{flag.name}: defaultVariant {quoted} added")
    return KillEdits(tuple(edits), tuple(changed), tuple(untouched))


def _edits_to_end_rule(
    node: Node, targeting: Targeting, control: str
) -> tuple[list[Edit], list[str]]:
    """A split that has control once keeps its shape; any other rule is removed whole."""
    if targeting is None:
        return [], []
    if isinstance(targeting, Split):
        names = [share.variant for share in targeting.shares]
        if names.count(control) == 1:
            weights = [FULL_BP if name == control else 0 for name in names]
            if weights == [share.weight for share in targeting.shares]:
                return [], []
            edits = [
                share.weighing(weight)
                for share, weight in zip(targeting.shares, weights, strict=True)
            ]
            return edits, [f"{control} {format_bp(FULL_BP)}, every other variant 0%"]
    return [Edit(start=node.start, end=node.end, text="{}")], ["targeting removed"]
