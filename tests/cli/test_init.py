"""`init` and `advise`: a first playbook that lints, and a strategy with its reasons."""

from __future__ import annotations

import itertools
import json

import pytest
import yaml

from e2e.real_command import COMMAND, Place
from e2e.terminal_screen import TerminalScreen
from rolloutctl.cli.advise import READY
from rolloutctl.cli.init import ProviderName
from rolloutctl.cli.starter.scalar import scalar
from rolloutctl.cli.starter.strategies import Back, Change, Goal, Situation, Strategy, advise
from rolloutctl.cli.starter.template import METRICS, PLACES, Choices, Source, playbook_text
from rolloutctl.playbook_file import lint
from rolloutctl.plugins import InstalledCatalog

IMPOSSIBLE = (Strategy.AB_TEST, ProviderName.KUBERNETES)
EVERY = [one for one in itertools.product(Strategy, ProviderName, Source) if one[:2] != IMPOSSIBLE]


@pytest.mark.parametrize(("strategy", "provider", "source"), EVERY)
def test_every_playbook_lints_without_a_warning(strategy, provider, source, tmp_path):
    """What somebody begins with is right."""
    path = tmp_path / "playbook.yaml"
    choices = Choices(
        strategy=strategy,
        provider=provider.value,
        name="new-model",
        flag="llm-model",
        control="gpt-4",
        canary="claude",
        place=PLACES[provider],
        source=source,
        metrics=METRICS[source],
    )

    path.write_text(playbook_text(choices), "utf-8")

    assert lint(path, inputs={}, env={}, catalog=InstalledCatalog()) == ()
    assert "CHANGE" in path.read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "v1",
        "1",
        "1.5",
        "yes",
        "No",
        "~",
        "a: b",
        "a #b",
        "it's",
        '"',
        "\\",
        "ü ☃",
        "- a",
        "{x}",
        "@",
        "",
    ],
)
def test_what_was_typed_reads_back_as_it_was(text):
    """Numbers stay texts, and nothing becomes a key, a comment or a list."""
    assert yaml.safe_load(f"value: {scalar(text)}") == {"value": text}
    assert yaml.safe_load(f"{{value: {scalar(text)}}}") == {"value": text}


def test_flags_alone_write_a_file_that_lints_and_the_next_commands_are_said(rolloutctl, folder):
    """No terminal: defaults for what is not said."""
    said = rolloutctl("init", "--strategy", "canary", "--flag", "checkout", "--out", "new.yaml")

    assert said.exit_code == 0
    assert "rolloutctl lint new.yaml" in said.err
    assert rolloutctl("lint", "new.yaml").exit_code == 0
    assert "flag: checkout" in (folder / "new.yaml").read_text()


def test_a_file_that_is_there_is_not_replaced_unless_told(rolloutctl, folder):
    """Exit 2, and not a byte of it changes."""
    (folder / "mine.yaml").write_text("mine")

    refused = rolloutctl("init", "--out", "mine.yaml")
    kept = (folder / "mine.yaml").read_text()
    forced = rolloutctl("init", "--out", "mine.yaml", "--force")

    assert (refused.exit_code, kept) == (2, "mine")
    assert "--force" in refused.err
    assert forced.exit_code == 0
    assert (folder / "mine.yaml").read_text().startswith("# canary")


def test_what_cannot_be_a_playbook_is_refused_before_anything_is_written(rolloutctl, folder):
    """A name that no playbook may have."""
    said = rolloutctl("init", "--name", "Not A Name!", "--out", "new.yaml")

    assert said.exit_code == 2
    assert "nothing was written" in said.err
    assert not (folder / "new.yaml").exists()


def test_a_folder_that_is_not_there_is_one_error(rolloutctl):
    """Where, and what to do."""
    said = rolloutctl("init", "--out", "no/such/folder/new.yaml")

    assert said.exit_code == 2
    assert "no/such/folder/new.yaml cannot be written" in said.err


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ((Change.MODEL, Goal.SAFE, True, Back.MINUTES), Strategy.SHADOW_CANARY),
        ((Change.MODEL, Goal.SAFE, False, Back.MINUTES), Strategy.CANARY),
        ((Change.PROMPT, Goal.BETTER, True, Back.SECONDS), Strategy.AB_TEST),
        ((Change.INFRASTRUCTURE, Goal.SAFE, False, Back.MINUTES), Strategy.BLUE_GREEN),
        ((Change.INFRASTRUCTURE, Goal.SWITCH, False, Back.SECONDS), Strategy.BLUE_GREEN),
        ((Change.SERVICE, Goal.SAFE, True, Back.SECONDS), Strategy.BLUE_GREEN_CANARY),
        ((Change.SERVICE, Goal.SWITCH, False, Back.MINUTES), Strategy.BLUE_GREEN),
    ],
)
def test_the_strategy_that_fits(situation, expected):
    """Harm first: shadow; the business: an experiment; the fastest way back: blue-green."""
    change, goal, can_mirror, back = situation

    advice = advise(Situation(change=change, goal=goal, can_mirror=can_mirror, back=back))

    assert advice.strategy is expected
    assert advice.because


def test_advice_compares_all_strategies_and_says_how_to_begin(rolloutctl):
    """The table, the reason, and a command that exists."""
    said = rolloutctl("advise", "--change", "model", "--goal", "safe", "--mirror")

    assert said.exit_code == 0
    assert all(strategy.value in said.out for strategy in Strategy)
    assert "begin:  rolloutctl init --strategy shadow-canary" in said.out
    assert "because mirrored requests" in said.out


def test_advice_for_machines_names_the_playbook_to_read(rolloutctl):
    """Every field of the table is there too."""
    said = rolloutctl("advise", "--change", "prompt", "--goal", "better", "--output", "json")

    document = json.loads(said.out)
    assert document["strategy"] == "ab-test"
    assert set(document["strategies"]) == {one.value for one in Strategy}
    assert document["playbook"] == READY["ab-test"]


def test_without_a_terminal_what_is_missing_is_named(rolloutctl):
    """Exit 2 with a line to copy."""
    said = rolloutctl("advise", "--change", "model")

    assert said.exit_code == 2
    assert "--goal is missing" in said.err


@pytest.mark.real
def test_somebody_at_a_terminal_is_asked_and_gets_a_playbook(tmp_path):
    """Numbers, beginnings of words and empty lines are answers; another word is asked again."""
    place = Place(tmp_path)
    screen = TerminalScreen(
        [COMMAND, "init"], columns=100, rows=50, environ=place.environ, cwd=tmp_path
    )
    try:
        screen.see("which one? [canary]")
        screen.type("nonsense\n")
        screen.see("is none of them")
        for answer in ("1", "unl", "llm", "", "", "", "2", "", ""):
            screen.type(f"{answer}\n")
        screen.see("wrote llm-v2.yaml: shadow-canary on unleash")
        assert screen.end() == 0
    finally:
        screen.stop()

    path = tmp_path / "llm-v2.yaml"
    assert lint(path, inputs={}, env={}, catalog=InstalledCatalog()) == ()


def test_an_ab_test_in_a_cluster_is_refused_with_the_reason(rolloutctl, folder):
    """It splits requests: the same user would get both."""
    said = rolloutctl("init", "--strategy", "ab-test", "--provider", "kubernetes")

    assert said.exit_code == 2
    assert "a cluster splits requests" in said.err
    assert not list(folder.glob("my-app*"))
