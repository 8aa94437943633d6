"""What a kill and a rollback read of a document, whatever is wrong with the rest."""

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.parse_way_back import parse_way_back
from rolloutctl.errors import InvalidPlaybook
from toy_language import GOOD, ToyCatalog

CATALOG = ToyCatalog()


def parsed(tmp_path, text=GOOD):
    """The whole playbook of a text."""
    file = tmp_path / "playbook.yaml"
    file.write_text(text)
    return playbook_file.load(file, inputs={"host": "h"}, env={"PLACE": "p"}, catalog=CATALOG)


def targets(tmp_path, text):
    """Only the targets of a text."""
    file = tmp_path / "playbook.yaml"
    file.write_text(text)
    return playbook_file.targets(file, inputs={}, env={}, catalog=CATALOG)


def test_the_targets_are_those_of_the_whole_playbook(tmp_path):
    """Reading less reads the same."""
    assert targets(tmp_path, GOOD) == parsed(tmp_path).targets


def test_the_way_back_has_the_targets_limits_and_steps_of_the_playbook(tmp_path):
    """It folds the same journal, under the same name and hash."""
    whole = parsed(tmp_path)

    back = parse_way_back(whole.document, CATALOG)

    assert (back.name, back.sha256, back.targets) == (whole.name, whole.sha256, whole.targets)
    assert back.limits == whole.limits
    assert len(back.steps) == len(whole.steps)
    assert back.gates == {}


@pytest.mark.parametrize("text", ["name: nothing\n", "targets: {}\n", "targets: 3\n", "- a\n"])
def test_a_document_without_targets_is_refused(tmp_path, text):
    """An empty kill would look like a confirmed one."""
    with pytest.raises(InvalidPlaybook) as refused:
        targets(tmp_path, text)

    assert refused.value.problems


def test_one_target_in_error_refuses_all(tmp_path):
    """None is left out in silence."""
    text = GOOD.replace("targets:\n", "targets:\n  broken: {provider: nobody}\n", 1)

    with pytest.raises(InvalidPlaybook, match="problem"):
        targets(tmp_path, text)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"targets": 1}'])
def test_what_is_no_canonical_document_is_refused(text):
    """A damaged journal is told, not guessed at."""
    with pytest.raises(InvalidPlaybook):
        parse_way_back(text, CATALOG)
