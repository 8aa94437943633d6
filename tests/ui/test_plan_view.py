"""A plan as people read it: what speaks against it first, and nothing twice."""

import pytest

from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import Plan, PlannedSight, PlannedStep, PlannedTarget, PlannedWrite
from rolloutctl.core.sight import Sight
from rolloutctl.ui.documents import finding_json
from rolloutctl.ui.hints import name_store
from rolloutctl.ui.plan_view import plan_document, plan_text

BLIND = "is blind: no gate that acts judges it"
FINE = Finding(severity=Severity.OK, message="the source answers", hint="")


def blind(step):
    return Finding(severity=Severity.WARN, message=f"step {step} (c {step}%) {BLIND}", hint="add")


def step(index, before, after):
    write = PlannedWrite(target="llm", before=split(before), after=split(after))
    return PlannedStep(
        index=index,
        name=f"canary {after / 100:g}%",
        kind="canary",
        writes=(write,),
        others=(),
        before=(),
        gates=(),
        hold_s=60.0,
        least_s=60.0,
        confirm=False,
    )


def plan(*findings, targets=("llm",), **more):
    return Plan(
        name="p",
        sha256="0" * 64,
        targets=tuple(
            PlannedTarget(
                name=name, provider="f", address=f"f://{name}", control="a", canary="b",
                observation=None,
            )
            for name in targets
        ),
        steps=(step(0, 0, 500), step(1, 500, 10_000)),
        guardrails=(),
        findings=findings,
        least_s=120.0,
        deadline_s=600.0,
        **more,
    )  # fmt: skip


@pytest.mark.parametrize("width", [80, 200])
def test_what_several_steps_have_in_common_is_said_once(width):
    """With every step named, and the way out once."""
    text = plan_text(plan(blind(1), blind(2), blind(3)), width)

    assert text.count(BLIND) == 1
    assert "likewise step 2 (c 2%), step 3 (c 3%)" in text
    assert text.count("hint: add") == 1


def test_a_way_out_of_several_findings_stands_under_the_last():
    """They follow each other; the same words twice would only be longer."""
    findings = [Finding(severity=Severity.WARN, message=m, hint="add") for m in ("one", "two")]

    lines = plan_text(plan(*findings), 80).splitlines()

    begin = lines.index("warning: one")
    assert lines[begin : begin + 3] == ["warning: one", "warning: two", "  hint: add"]


def test_what_is_in_order_stands_after_what_will_be_done():
    """Warnings first; nothing is left out."""
    text = plan_text(plan(blind(1), FINE), 80)

    assert text.index("warning:") < text.index("target llm") < text.index("STEP")
    assert text.index("STEP") < text.index("ok: the source answers")


def test_a_gate_and_its_harm_are_named_once_for_all_steps():
    """Below it, only what differs from step to step."""
    sights = [
        PlannedSight(step=i, gate=gate, sight=Sight(effect="2x", seconds=60.0 + i, smallest="1.5x"))
        for i in range(2)
        for gate in ("errors", "latency")
    ]

    rows = plan_text(plan(sights=tuple(sights)), 80).partition("SEEN IN")[2].splitlines()[1:5]

    assert [row.split() for row in rows] == [
        ["errors", "2x", "canary", "5%", "1m", "1.5x"],
        ["canary", "100%", "1m1s", "1.5x"],
        ["latency", "2x", "canary", "5%", "1m", "1.5x"],
        ["canary", "100%", "1m1s", "1.5x"],
    ]


def test_of_one_target_only_the_shares_are_told_of_several_whose():
    """The name stands above the table already."""
    alone, together = (plan_text(plan(targets=names), 80) for names in (("llm",), ("llm", "b")))

    assert "1 canary 5%    canary 0% -> 5% " in alone
    assert "llm: canary 0% -> 5%" in together


def test_machines_get_every_finding():
    """Nothing is folded there."""
    found = plan_document(plan(blind(1), blind(2), FINE))["findings"]

    assert [one["message"] for one in found] == [
        f"step 1 (c 1%) {BLIND}",
        f"step 2 (c 2%) {BLIND}",
        "the source answers",
    ]
    assert [one["hint"] for one in found] == ["add", "add", ""]


def test_a_way_out_names_the_journal_that_was_asked():
    """On a screen as for machines."""
    held = Finding(severity=Severity.REFUSE, message="held", hint="rolloutctl status r-1")
    name_store("/srv/j.db")
    try:
        text, document = plan_text(plan(held), 80), plan_document(plan(held))
    finally:
        name_store("")

    assert "hint: rolloutctl status --store /srv/j.db r-1" in text
    assert document["findings"][0]["hint"] == "rolloutctl status --store /srv/j.db r-1"


def test_machines_read_note_where_people_do():
    """Fine, but with something to know: neither `ok` nor a warning."""
    note = Finding(severity=Severity.OK, message="m", hint="h")
    fine = Finding(severity=Severity.OK, message="m")

    assert [finding_json(one)["severity"] for one in (note, fine)] == ["note", "ok"]
