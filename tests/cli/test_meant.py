"""An id may be shortened or left out where that is safe, and never where it is not."""

import pytest

START = ("start", "seconds.yaml", "--auto", "--detach", "--id")
OTHER = ("start", "other.yaml", "--auto", "--detach", "--id")


@pytest.fixture
def one(rolloutctl):
    """One open rollout, recorded and driven by nobody."""
    assert rolloutctl(*START, "claude-aaa").exit_code == 0
    return rolloutctl


@pytest.fixture
def two(one, folder):
    """Two open rollouts whose ids begin alike, on targets of their own."""
    (folder / "other.json").write_text((folder / "flags.json").read_text())
    text = (folder / "seconds.yaml").read_text()
    (folder / "other.yaml").write_text(text.replace("/flags.json", "/other.json"))
    said = one(*OTHER, "claude-abb")
    assert said.exit_code == 0, said.err
    return one


@pytest.mark.parametrize("verb", ["status", "explain", "pause", "rollback", "kill"])
def test_the_beginning_of_an_id_is_enough_and_the_id_is_said(one, verb):
    """As with commits in git: what was meant is named before anything happens."""
    said = one(verb, "cl")

    assert said.exit_code == 0, said.err
    assert said.err.startswith("rollout claude-aaa\n")


@pytest.mark.parametrize("verb", ["status", "explain", "pause", "promote", "rollback", "kill"])
def test_a_beginning_of_several_is_refused_with_the_candidates(two, verb):
    """Exit 2, and nothing was done to either of them."""
    said = two(verb, "claude-a")

    assert said.exit_code == 2
    assert f"{verb}: 2 rollouts begin with 'claude-a'" in said.err
    assert "claude-aaa  open, started" in said.err
    assert "claude-abb  open, started" in said.err
    assert two("list", "--output", "json").out.count('"phase": "running"') == 2


def test_an_id_that_is_written_out_wins_over_those_it_begins(two):
    """A rollout must be reachable whatever others are called."""
    two("rollback", "claude-abb")
    assert two(*OTHER, "claude-aa").exit_code == 0

    said = two("kill", "claude-aa")

    assert said.exit_code == 0, said.err
    assert "other.json" in said.err
    assert "claude-aaa" not in said.err


def test_an_open_rollout_is_meant_before_one_that_is_over(two):
    """What a verb is about is open; a kill that names an arm may be about either."""
    two("rollback", "claude-abb")

    assert "rollout claude-aaa" in two("pause", "claude").err
    both = two("kill", "claude", "--to", "gpt-4")
    assert both.exit_code == 2
    assert "claude-abb  over, started" in both.err


@pytest.mark.parametrize("verb", ["explain", "pause", "promote"])
def test_without_an_id_the_only_open_rollout_is_meant(one, verb):
    """And it is said which one that is."""
    assert one(verb).err.startswith("rollout claude-aaa\n")


@pytest.mark.parametrize("verb", ["explain", "pause", "resume", "approve", "promote", "wait"])
def test_without_an_id_several_open_rollouts_are_named(two, verb):
    """Exit 2: which one is for the person to say."""
    said = two(verb)

    assert said.exit_code == 2
    assert f"{verb} needs the id of a rollout: 2 are open" in said.err
    assert "claude-abb" in said.err


@pytest.mark.parametrize("verb", ["rollback", "reject"])
def test_what_goes_back_is_never_guessed_from_no_id(one, verb):
    """SAFETY: not even where only one is open; the command to copy is there."""
    said = one(verb)

    assert said.exit_code == 2
    assert "it never guesses one" in said.err
    assert f"hint: rolloutctl {verb} claude-aaa" in said.err


def test_kill_without_a_word_kills_nothing(one):
    """It names the ways to say what."""
    assert one("kill").exit_code == 2
    assert '"phase": "running"' in one("list", "--output", "json").out


def test_without_an_open_rollout_a_verb_has_nothing_to_be_about(rolloutctl):
    """Exit 3, as for a name that does not exist."""
    rolloutctl(*START, "r-1")
    rolloutctl("rollback", "r-1")

    said = rolloutctl("pause")

    assert said.exit_code == 3
    assert "no rollout is open" in said.err


def test_a_word_that_no_id_begins_with_is_unknown(one):
    """The newest ids are named, as before."""
    said = one("pause", "gemini")

    assert said.exit_code == 3
    assert "no rollout gemini in this journal; the newest are: claude-aaa" in said.err
