import json
from pathlib import Path

import jsonschema
import yaml

from rolloutctl.core.schema import build
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.store.codec import EVENTS
from rolloutctl.store.event_schema import event_schema
from rolloutctl.ui.console import to_json

ROOT = Path(__file__).parents[2]
WORKSPACE = Path(__file__).parent / "workspace"


def test_the_committed_schema_equals_the_one_the_code_makes():
    """Editors that read the repository's file check what this version checks."""
    committed = (ROOT / "schema" / "playbook.v1.json").read_text()

    made = to_json(build(InstalledCatalog(lambda: ()))) + "\n"

    assert committed == made, "run: rolloutctl schema > schema/playbook.v1.json"


def test_the_command_prints_the_schema_and_nothing_else(rolloutctl):
    """What is printed can be redirected into a file as it is."""
    said = rolloutctl("schema")

    assert said.exit_code == 0
    assert json.loads(said.out)["title"] == "rolloutctl playbook"
    assert said.err == ""


def test_an_editor_accepts_what_lint_accepts():
    """The playbooks of the golden sessions that lint calls valid are valid by the schema."""
    schema = build(InstalledCatalog(lambda: ()))

    for name in ("good.yaml", "local.yaml", "exposed.yaml"):
        jsonschema.validate(yaml.safe_load((WORKSPACE / name).read_text()), schema)


def test_the_committed_schema_of_event_lines_equals_the_one_the_code_makes():
    """Whoever reads the lines checks what this version writes."""
    committed = (ROOT / "schema" / "events.v1.json").read_text()

    assert committed == to_json(dict(event_schema())) + "\n", (
        "run: rolloutctl schema events > schema/events.v1.json"
    )


def test_every_event_that_ever_was_written_is_a_valid_line():
    """The golden journal has one of each kind."""
    validator = jsonschema.Draft202012Validator(event_schema())
    golden = (ROOT / "tests/store/golden_events_v1.ndjson").read_text().splitlines()
    head = {"kind": "Event", "id": "r-1", "seq": 1, "at": "2026-01-01T00:00:00.000000Z"}

    lines = [{**head, "event": json.loads(line)} for line in golden]

    assert {line["event"]["kind"] for line in lines} == set(EVENTS)
    assert [error.message for line in lines for error in validator.iter_errors(line)] == []


def test_a_line_that_lacks_something_is_not_valid():
    """The schema is no open door."""
    validator = jsonschema.Draft202012Validator(event_schema())
    head = {"kind": "Event", "id": "r-1", "seq": 1, "at": "2026-01-01T00:00:00.000000Z"}

    assert not validator.is_valid({**head, "event": {"kind": "Asked", "v": 1, "step": 1}})
    assert not validator.is_valid({**head, "event": {"kind": "Nothing", "v": 1}})
    assert not validator.is_valid({"kind": "Agent", "message": "x"})
