"""Killing and going back need targets and their providers; nothing else may stand in the way."""

import json

import pytest

from rolloutctl.cli import wiring
from rolloutctl.errors import NotFound
from rolloutctl.plugins import InstalledCatalog


class Poorer(InstalledCatalog):
    """What is installed here, without one plug-in."""

    missing = ("", "")

    def names(self, group):
        return [name for name in super().names(group) if (group, name) != self.missing]

    def load(self, group, name):
        if (group, name) == self.missing:
            raise NotFound(f"no {group} {name}", hint="install it")
        return super().load(group, name)


@pytest.fixture
def uninstall(monkeypatch):
    """Takes one plug-in away, for every command that follows."""

    def take_away(group, name):
        kind = type("Poorer", (Poorer,), {"missing": (group, name)})
        monkeypatch.setattr(wiring, "catalog", kind)

    return take_away


@pytest.fixture
def exposed(rolloutctl):
    """A rollout that serves the canary to a quarter and waits for an answer."""
    assert rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1").exit_code == 8


def canary_weight(folder):
    """The weight of the canary's variant in the flag file; 0 without a split."""
    flag = json.loads((folder / "flags.json").read_text())["flags"]["llm-model"]
    shares = flag.get("targeting", {}).get("fractional", [])
    return sum(share[1] for share in shares if share[0] == "claude-3-5-sonnet")


@pytest.mark.parametrize(
    "plugin", [("gates", "threshold"), ("sources", "prometheus"), ("steps", "canary")]
)
@pytest.mark.parametrize("verb", ["kill", "rollback", "reject", "abort"])
@pytest.mark.usefixtures("exposed")
def test_the_way_back_needs_no_gate_source_or_step_kind(
    rolloutctl, folder, uninstall, verb, plugin
):
    """A rollout that cannot be driven here can still be taken back here."""
    uninstall(*plugin)

    said = rolloutctl(verb, "r-1")

    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0


@pytest.mark.usefixtures("exposed")
def test_other_verbs_say_what_is_missing(rolloutctl, folder, uninstall):
    """Only going back is safe without the gates: nothing is promoted past them."""
    uninstall("gates", "threshold")

    said = rolloutctl("approve", "r-1")

    assert said.exit_code == 3
    assert "unknown gate kind 'threshold'" in said.err
    assert canary_weight(folder) == 2500


@pytest.mark.usefixtures("exposed")
def test_a_kill_without_the_provider_says_that_it_cannot(rolloutctl, uninstall):
    """Only the provider's plug-in is needed, and it is named."""
    uninstall("providers", "flagd-file")

    said = rolloutctl("kill", "r-1")

    assert said.exit_code == 3
    assert "unknown provider 'flagd-file'" in said.err


@pytest.mark.usefixtures("exposed")
def test_kill_all_tells_what_it_could_not_kill(rolloutctl, uninstall):
    """One rollout that cannot be opened is STUCK, exit 20, never passed over in silence."""
    uninstall("providers", "flagd-file")

    said = rolloutctl("kill", "--all")

    assert said.exit_code == 20
    assert "rollout r-1 was NOT killed" in said.err


@pytest.mark.usefixtures("exposed")
def test_a_playbook_is_killed_with_its_sources_variable_unset(rolloutctl, folder, monkeypatch):
    """The variable of a metrics backend is no reason to leave the canary exposed."""
    monkeypatch.delenv("PROMETHEUS_URL")

    said = rolloutctl("kill", "--playbook", "seconds.yaml")

    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0


@pytest.mark.usefixtures("exposed")
def test_a_playbook_is_killed_without_its_gates_plugin(rolloutctl, folder, uninstall):
    """Nor is a gate that nobody here can judge."""
    uninstall("gates", "threshold")

    said = rolloutctl("kill", "--playbook", "seconds.yaml")

    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0


@pytest.mark.usefixtures("exposed")
def test_a_target_whose_variable_is_unset_stops_the_kill_with_its_place(rolloutctl, monkeypatch):
    """No target may be left out in silence: the file, the line and the variable are told."""
    monkeypatch.delenv("FOLDER")

    said = rolloutctl("kill", "--playbook", "seconds.yaml")

    assert said.exit_code == 3
    assert "seconds.yaml:7:" in said.err
    assert "FOLDER is not set" in said.err


def test_targets_that_the_holding_rollout_does_not_have_are_killed_too(rolloutctl, folder):
    """The playbook was edited since the start: all that it names now goes to control."""
    rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")
    playbook = folder / "seconds.yaml"
    more = "  half:\n    provider: flagd-file\n    file: ${env.FOLDER}/flags.json\n"
    more += "    flag: half\n    control: {is: gpt-4}\n    canary: {is: claude-3-5-sonnet}\n"
    playbook.write_text(playbook.read_text().replace("sources:\n", f"{more}sources:\n", 1))

    said = rolloutctl("kill", "--playbook", "seconds.yaml", "--output", "json")

    targets = {one["target"]: one for one in json.loads(said.out)["targets"]}
    assert said.exit_code == 0
    assert targets["llm"]["rollout"] == "r-1"
    assert targets["half"]["confirmed"]
