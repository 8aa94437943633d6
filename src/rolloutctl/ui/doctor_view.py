"""What `doctor` found, by area; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.ui.documents import finding_json
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import wrapped

_LABELS = {Severity.OK: "ok", Severity.WARN: "warn", Severity.REFUSE: "FAIL"}
_LABEL_CHARS = max(map(len, _LABELS.values())) + 2


class Area(NamedTuple):
    """One thing that was looked at, and what was found."""

    name: str
    findings: Sequence[Finding]


def doctor_text(areas: Sequence[Area], width: int) -> str:
    """One block an area; a word says how each line stands, never a colour alone."""
    return "\n\n".join("\n".join(_block(area, width)) for area in areas if area.findings)


def _block(area: Area, width: int) -> Iterator[str]:
    yield area.name
    indent = " " * (2 + _LABEL_CHARS)
    for one in area.findings:
        label = _LABELS[one.severity].ljust(_LABEL_CHARS)
        yield wrapped(f"  {label}{one.message}", width, indent=indent)
        if one.hint:
            yield wrapped(f"{indent}hint: {one.hint}", width, indent=f"{indent}  ")


def doctor_document(areas: Sequence[Area]) -> Mapping[str, Json]:
    """The same as a document."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Examination",
        "areas": [
            {"name": area.name, "findings": [finding_json(one) for one in area.findings]}
            for area in areas
        ],
    }
