"""What the targets of a rollout serve now, asked of their providers; writes and records nothing.

A page made from the journal is as old as the last look of a driver. After the end, or where
nobody drives, another hand may have changed a target since then.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rolloutctl.cli.together import together
from rolloutctl.core.evolve import evolve
from rolloutctl.core.state import with_target
from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.core.observation import Observation
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console


def look_now(rollout: Rollout, console: Console) -> bool:
    """Lays what is served now over the rollout's state, in memory only.

    What differs from what the rollout left is shown as another hand's edit. A target that
    cannot be read is named and keeps what is on record.

    Returns:
        Whether every target could be read.
    """
    names = list(rollout.playbook.targets)
    answers = together([partial(_observed, rollout, name) for name in names])
    for name, seen in zip(names, answers, strict=True):
        if isinstance(seen, RolloutctlError):
            console.talk(f"{name} could not be read now: {seen.message}")
            continue
        target = rollout.state.targets[name]
        # Of a kill only the share is on record, not how the provider holds it.
        is_same = seen.exposure is not None and seen.exposure == target.exposure
        is_ours = seen.fingerprint == target.fingerprint or is_same
        now = rollout.clock.now()
        shown = evolve(target, observed_at=now, drift=None if is_ours else evolve(seen, at=now))
        rollout.state = with_target(rollout.state, shown)
    return not any(isinstance(seen, RolloutctlError) for seen in answers)


def _observed(rollout: Rollout, name: str) -> Observation | RolloutctlError:
    try:
        return rollout.adapters.providers[name].observe(rollout.playbook.targets[name])
    except RolloutctlError as error:
        return error
