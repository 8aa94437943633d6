"""`doctor` says what is missing and how to get it, and writes nothing."""

import json
import sqlite3

import pytest


def found(said):
    """The findings by area."""
    return {one["name"]: one["findings"] for one in json.loads(said.out)["areas"]}


def messages(findings, severity):
    return [one["message"] for one in findings if one["severity"] == severity]


def test_without_a_playbook_it_looks_at_the_program_and_the_journal(rolloutctl, folder):
    """And makes no journal where there is none."""
    said = rolloutctl("doctor", "--output", "json")

    areas = found(said)
    assert said.exit_code == 0
    assert messages(areas["program"], "ok")[0].startswith("rolloutctl ")
    assert "no journal yet at $PWD/journal.db" in areas["journal"][0]["message"]
    assert not (folder / "journal.db").exists()


def test_a_playbook_where_all_is_well_has_nothing_missing(rolloutctl):
    """Every target and every source answers."""
    said = rolloutctl("doctor", "good.yaml", "--output", "json")

    areas = found(said)
    assert said.exit_code == 0, said.out
    assert {"target llm", "source prometheus"} <= areas.keys()
    assert all(one["severity"] != "refuse" for each in areas.values() for one in each)


def test_each_line_says_how_it_stands_in_a_word(rolloutctl):
    """No meaning by colour alone."""
    said = rolloutctl("doctor", "good.yaml")

    assert "\n  ok    rolloutctl " in said.out
    assert "nothing is missing" in said.err


def test_a_source_that_is_down_is_named_with_the_way_out(rolloutctl, prometheus):
    """The rest is looked at all the same."""
    prometheus.answer = "HTTP 503"

    said = rolloutctl("doctor", "good.yaml", "--output", "json")

    areas = found(said)
    assert said.exit_code == 5
    (refused,) = [one for one in areas["source prometheus"] if one["severity"] == "refuse"]
    assert "503" in refused["message"]
    assert messages(areas["target llm"], "ok")


def test_a_secret_that_is_missing_is_told_and_one_that_is_set_never_shown(
    rolloutctl, folder, monkeypatch
):
    """The names of the variables are enough."""
    own = '{bearer_token: "${env.PLANTED_TOKEN}", '
    text = (folder / "good.yaml").read_text().replace("prometheus: {", f"prometheus: {own}")
    (folder / "token.yaml").write_text(text)

    missing = rolloutctl("doctor", "token.yaml", "--output", "json")
    monkeypatch.setenv("PLANTED_TOKEN", "planted-doctor-secret")
    there = rolloutctl("doctor", "token.yaml", "--output", "json")

    assert missing.exit_code != 0
    assert "PLANTED_TOKEN is not set" in messages(found(missing)["secrets"], "refuse")[0]
    assert "${env.PLANTED_TOKEN} is set" in messages(found(there)["secrets"], "ok")
    assert "planted-doctor-secret" not in there.out + there.err


def test_an_open_rollout_that_nobody_drives_is_a_warning(rolloutctl):
    """With the commands that drive it."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")

    (warned,) = [
        one
        for one in found(rolloutctl("doctor", "--output", "json"))["journal"]
        if one["severity"] == "warn"
    ]

    assert warned["message"] == "rollout r-1 is open and nobody drives it"
    assert "rolloutctl agent" in warned["hint"]


def test_a_damaged_record_is_found(rolloutctl, folder):
    """A changed event breaks the chain of hashes."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    connection = sqlite3.connect(folder / "journal.db")
    with connection:
        connection.execute("UPDATE event SET hash = 'other' WHERE id = (SELECT min(id) FROM event)")
    connection.close()

    said = rolloutctl("doctor", "--output", "json")

    assert said.exit_code == 3
    (refused,) = messages(found(said)["journal"], "refuse")
    assert "r-1" in refused


@pytest.mark.parametrize("what", ["a folder", "no journal"])
def test_a_journal_that_is_none_is_said(rolloutctl, folder, what):
    """Before a rollout is begun on it."""
    place = folder / "odd.db"
    if what == "a folder":
        place.mkdir()
    else:
        place.write_text("this is no database, and long enough to look at" * 50)

    said = rolloutctl("doctor", "--store", str(place), "--output", "json")

    assert said.exit_code == 3
    assert messages(found(said)["journal"], "refuse")


def test_an_unreadable_playbook_is_lints_matter(rolloutctl):
    """The same errors at the same places."""
    said = rolloutctl("doctor", "bad.yaml")

    assert said.exit_code == 3
    assert "bad.yaml:" in said.err
