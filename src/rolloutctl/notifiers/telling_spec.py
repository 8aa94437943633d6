"""What every notifier can be told to tell: which events, in which words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from string import Formatter

from rolloutctl.core.message_events import MESSAGE_EVENTS
from rolloutctl.core.ports import Message
from rolloutctl.core.units import doc
from rolloutctl.credentials import redact
from rolloutctl.http import Access

#: Longer texts are cut; nobody reads this much.
TEXT_CHARS_MAX = 4_000
#: Names of a template, and what stands for each.
TEMPLATE_NAMES = ("rollout", "playbook", "event", "phase", "text", "at", "key")
#: Told to whoever is named by the step, whatever they hear otherwise.
_ALWAYS = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling(Access):
    """Which events are told, and how they are worded."""

    on: tuple[str, ...] = doc("only these events; all of them unless it says", default=())
    template: str = doc(
        "the text, with {rollout} {playbook} {event} {phase} {text} {at}", default="{text}"
    )

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        Access.__post_init__(self)
        for event in self.on:
            if event not in MESSAGE_EVENTS:
                raise ValueError(
                    f"on: there is no event {event!r}; there are {', '.join(MESSAGE_EVENTS)}"
                )
        for name in _names_in(self.template):
            if name not in TEMPLATE_NAMES:
                raise ValueError(
                    f"template: there is no {{{name}}}; there are "
                    f"{' '.join(f'{{{one}}}' for one in TEMPLATE_NAMES)}; a brace is {{{{ or }}}}"
                )


def hears(spec: Telling, message: Message, *, by_default: frozenset[str] = frozenset()) -> bool:
    """Whether this message is told: those of `on`, else of `by_default`, else all."""
    wanted = spec.on or by_default
    return not wanted or message.event in wanted or message.event == _ALWAYS


def worded(spec: Telling, message: Message) -> str:
    """The text as the template has it, secrets replaced, and not too long."""
    values = {
        "rollout": message.rollout_id,
        "playbook": message.playbook,
        "event": message.event,
        "phase": message.phase,
        "text": message.text,
        "at": at_text(message),
        "key": message.key,
    }
    # Only names, checked when the playbook was read: no attribute and no index is reached.
    parts = (
        text + (values.get(name, "") if name is not None else "")
        for text, name, _, _ in Formatter().parse(spec.template)
    )
    return redact("".join(parts))[:TEXT_CHARS_MAX]


def at_text(message: Message) -> str:
    """RFC 3339 in UTC."""
    return message.at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _names_in(template: str) -> list[str]:
    """The names between braces. Raises `ValueError` for what is no template."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"template: {error}; a brace is {{{{ or }}}}") from None
    for _, name, form, conversion in parsed:
        if name is not None and (form or conversion):
            raise ValueError(f"template: {{{name}}} takes no format and no conversion")
    return [name for _, name, _, _ in parsed if name is not None]
