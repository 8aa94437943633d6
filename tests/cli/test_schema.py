import json
from pathlib import Path

import jsonschema
import yaml

from rolloutctl.core.schema import build
from rolloutctl.plugins import InstalledCatalog
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
