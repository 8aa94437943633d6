"""The effects of a step in order, each with its key; kept, because every decision asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rolloutctl.core.effects import Effect
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import StepContext, StepKind

#: (key, effect) in the order they are applied.
Keyed: TypeAlias = Sequence[tuple[str, Effect]]


class _Known(NamedTuple):
    """Effects, and what they were computed from: kept, so that its ids stay its own."""

    playbook: Playbook
    base: Mapping[str, Exposure]
    kind: StepKind
    effects: Keyed


#: Steps whose effects are kept. Bounded: an agent drives many rollouts.
_KNOWN_MAX = 4096
_known: dict[tuple[str, int, int, int], _Known] = {}


def step_effects(
    playbook: Playbook,
    index: int,
    *,
    kind: StepKind,
    base: Mapping[str, Exposure],
    rollout_id: str,
) -> Keyed:
    """What step `index` does, starting from what the targets served when it was entered.

    Nothing that goes into it is ever changed, so the same objects give the same effects.
    """
    known_as = (rollout_id, index, id(playbook), id(base))
    known = _known.get(known_as)
    if known is not None and known.kind is kind:
        return known.effects
    step = playbook.steps[index]
    context = StepContext(playbook=playbook, step=step, exposures=base)
    prefix = f"{rollout_id}:{index}"
    planned = kind.plan(step.spec, context)
    effects = [(f"{prefix}:{number}", effect) for number, effect in enumerate(planned)]
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    _known[known_as] = _Known(playbook, base, kind, effects)
    return effects
