"""What a pipeline shows of a rollout when its job is over, in Markdown; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rolloutctl.ui.rollout_view import phase_line
from rolloutctl.ui.target_view import serves

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.core.state import RolloutState

#: What Markdown, or the HTML within it, would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def summary_markdown(
    playbook: Playbook, state: RolloutState, *, because: str, next_commands: Sequence[str]
) -> str:
    """A heading, one sentence, what is served, the gates, and what to do next."""
    done = state.steps_left
    lines = [
        f"### Rollout {_plain(state.rollout_id)}: {state.phase}",
        "",
        f"{_plain(phase_line(state, because))} ({done} of {len(playbook.steps)} steps done)",
        "",
        "| Target | Serves | Address |",
        "|---|---|---|",
        *(
            f"| {_plain(one.name)} | {_plain(serves(state, one))} | {_plain(one.address)} |"
            for one in state.targets.values()
        ),
    ]
    if state.gates:
        lines += ["", "| Gate | Verdict | Because |", "|---|---|---|"]
        lines += [
            f"| {_plain(name)} | {record.verdict.outcome} | {_plain(record.verdict.because)} |"
            for name, record in state.gates.items()
        ]
    lines += ["", *(f"- `{command}`" for command in next_commands)]
    return "\n".join(lines).rstrip() + "\n\n"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
