"""Commands that are printed can be copied: they ask the journal that was asked."""

import io

import pytest

from rolloutctl.cli.commands import LazyGroup, build_app
from rolloutctl.errors import NotFound, UsageError
from rolloutctl.ui.console import Console
from rolloutctl.ui.hints import WITH_STORE, name_store, with_store
from rolloutctl.ui.messages import error_document


@pytest.fixture
def store():
    """A journal that `--store` named."""
    name_store("/srv/my journal.db")
    yield "--store '/srv/my journal.db'"
    name_store("")


def test_every_command_of_a_hint_names_the_store(store):
    """Behind the verb, where it always parses."""
    said = with_store("hint: rolloutctl agent, or rolloutctl rollback r-1")

    assert said == f"hint: rolloutctl agent {store}, or rolloutctl rollback {store} r-1"


@pytest.mark.parametrize(
    "text",
    [
        "rolloutctl lint FILE",
        "rolloutctl agent --store x",
        "run rolloutctl as its owner",
        "/opt/rolloutctl start here",
        "rolloutctl status-page",
    ],
)
def test_what_takes_no_store_is_left_alone(store, text):
    """Nothing is put where it would not parse, or twice."""
    assert store
    assert with_store(text) == text


def test_without_the_option_nothing_is_added():
    """The environment goes for the next command, too."""
    assert with_store("rolloutctl agent") == "rolloutctl agent"


def test_talk_and_machines_hints_carry_it(store):
    """Whoever reads an error on either way can copy from it."""
    err = io.StringIO()
    error = NotFound("no such rollout", hint="rolloutctl list")

    Console(err=err).talk("rolloutctl list")

    assert err.getvalue() == f"rolloutctl list {store}\n"
    assert error_document(error)["error"]["hint"] == f"rolloutctl list {store}"


def test_the_commands_with_a_store_are_those_of_the_command_line():
    """A new command with `--store` is not forgotten here."""
    app = build_app()
    assert isinstance(app, LazyGroup)
    names = [
        name
        for name in app.list_commands(None)
        if any("--store" in option.opts for option in app.get_command(None, name).params)
    ]

    assert set(names) == set(WITH_STORE)


def test_an_error_before_the_journal_is_opened_names_it_too():
    """A command line that is refused at once is copied from its hint as well."""
    app = build_app()
    command = ["promote", "r-1", "--override", "--store", "/srv/j.db"]

    with pytest.raises(UsageError) as refused:
        app(command, standalone_mode=False)
    hint = with_store(refused.value.hint)
    name_store("")

    assert hint == "rolloutctl promote --store /srv/j.db r-1 --override --reason TEXT"


def test_a_store_that_has_no_home_is_left_to_who_opens_it():
    """A kill of an address needs no journal."""
    app = build_app()

    with pytest.raises(UsageError, match="needs a reason"):
        app(["promote", "r-1", "--override", "--store", "~nobody-at-all/j"], standalone_mode=False)

    assert with_store("rolloutctl list") == "rolloutctl list"
