"""A TAB in the real shells offers what can stand there, and nothing else happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.real_command import COMMAND, Place, until
from e2e.terminal_screen import TerminalScreen
from rolloutctl.cli.completions import Shell, script_for

ROOT = Path(__file__).resolve().parents[2]
FILES = {Shell.BASH: "rolloutctl.bash", Shell.ZSH: "_rolloutctl", Shell.FISH: "rolloutctl.fish"}
GATED = """
inputs: {model: {default: gpt-4}}
sources: {app: {kind: openmetrics, url: "http://127.0.0.1:9/metrics"}}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  errors: {kind: threshold, source: app, query: up, fail: "< 1"}
steps:
  - {canary: 5%, confirm: true}
"""
#: What bash is given to complete a line as readline would, and to print what it found.
ASK_BASH = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
_rolloutctl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a playbook, and a journal with one open rollout."""
    place = Place(tmp_path_factory.mktemp("shells"))
    place.write_playbook("steps: [{canary: 5%, confirm: true}]")
    place.environ["PATH"] = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
    started = place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1")
    assert started.returncode == 0, started.stderr
    place.write_playbook(GATED)
    return place


def address(place):
    return f"flagd-file://{place.flags}#llm-model"


def cases(place):
    """(line up to the cursor, what it can be completed to)."""
    return [
        ("rolloutctl sta", {"start", "status"}),
        ("rolloutctl start --on-exit ", {"rollback", "leave"}),
        ("rolloutctl start --on-e", {"--on-exit"}),
        ("rolloutctl status ", {"r-1"}),
        ("rolloutctl kill ", {"r-1", address(place)}),
        ("rolloutctl kill fl", {address(place)}),
        ("rolloutctl plan playb", {"playbook.yaml"}),
        ("rolloutctl check playbook.yaml --gate ", {"errors"}),
        ("rolloutctl plan playbook.yaml -i ", {"model="}),
        ("rolloutctl verify --playbook playbook.yaml ", {"llm"}),
        ("rolloutctl kill r-1 --to ", {"gpt-4", "claude"}),
        ("rolloutctl abtest ", {"size", "analyze"}),
        ("rolloutctl abtest size --pl", {"--playbook"}),
        ("rolloutctl completions ", {"bash", "zsh", "fish"}),
        ("rolloutctl nonsense ", set()),
    ]


def shell(name):
    """The shell's program; skips where it is missing, unless it is required."""
    found = shutil.which(name)
    if found is None:
        reason = f"needs {name}: apt-get install {name}"
        if os.environ.get("ROLLOUTCTL_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.mark.parametrize("one", list(Shell))
def test_the_scripts_of_the_repository_are_the_ones_that_are_printed(one):
    """Whoever adds an option makes them anew, with `rolloutctl completions SHELL`."""
    assert (ROOT / "completions" / FILES[one]).read_text("utf-8") == script_for(one)


@pytest.mark.real
@pytest.mark.parametrize("number", range(15))
def test_bash_offers_what_can_stand_there(place, number):
    """Cut to what bash replaces, which begins after the last colon or equals sign."""
    line, expected = cases(place)[number]
    script = ROOT / "completions" / FILES[Shell.BASH]

    asked = subprocess.run(
        [shell("bash"), "--norc", "-c", ASK_BASH, "bash", script, line],
        cwd=place.folder,
        env=place.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    typed = line.rpartition(" ")[2]
    head = typed[: max(typed.rfind(":"), typed.rfind("=")) + 1]
    assert {head + one for one in asked.stdout.splitlines() if one} == expected
    assert asked.stderr == ""


@pytest.mark.real
@pytest.mark.parametrize("number", range(15))
def test_fish_offers_what_can_stand_there(place, number):
    """Each with what it means."""
    line, expected = cases(place)[number]
    script = ROOT / "completions" / FILES[Shell.FISH]

    asked = subprocess.run(
        [shell("fish"), "--no-config", "-c", f"source {script}; complete -C '{line}'"],
        cwd=place.folder,
        env=place.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert {one.partition("\t")[0] for one in asked.stdout.splitlines()} == expected
    assert asked.stderr == ""


@pytest.fixture
def person(place):
    """Types into an interactive shell of a terminal."""
    opened = []

    def start(command, *setup):
        environ = {**place.environ, "PS1": "ready> "}
        screen = TerminalScreen(command, columns=160, rows=40, environ=environ, cwd=place.folder)
        opened.append(screen)
        for line in setup:
            screen.type(f"{line}\n")
        screen.type("clear; echo all''set\n")
        screen.see("allset")
        return screen

    yield start
    for screen in opened:
        screen.stop()


def prompted(screen):
    """The line that is being typed."""
    lines = [row for row in screen.rows if "rolloutctl " in row]
    return lines[-1] if lines else ""


@pytest.mark.real
def test_bash_completes_an_address_with_colons_at_a_prompt(person, place):
    """Readline replaces only what stands after the colon: nothing is doubled."""
    script = ROOT / "completions" / FILES[Shell.BASH]
    screen = person([shell("bash"), "--norc"], f"source {script}")

    screen.type("rolloutctl kill flagd-file:\t")

    until(lambda: f"rolloutctl kill {address(place)}" in prompted(screen), "the address")


@pytest.mark.real
def test_zsh_completes_commands_rollouts_addresses_gates_and_files(person, place):
    """One candidate is written at once; several are listed with what they mean."""
    script = ROOT / "completions" / FILES[Shell.ZSH]
    dump = place.folder / "zcompdump"
    screen = person(
        [shell("zsh"), "-f", "-i"],
        "PS1='ready> '",
        f"autoload -U compinit; compinit -u -d {dump}",
        f"source {script}",
    )

    def typed(line, word):
        screen.type(f"{line}\t")
        until(lambda: word in screen.text, f"{word} after {line!r}:\n{screen.text}")
        screen.type("\x15")  # Ctrl-U: an empty line
        screen.type("clear; echo all''set\n")
        until(lambda: word not in screen.text and "allset" in screen.text, "an empty screen")

    typed("rolloutctl sta", "status  -- Where it is")
    typed("rolloutctl start --on-exit r", "--on-exit rollback")
    typed("rolloutctl status r", "status r-1")
    typed("rolloutctl kill fl", str(place.flags))
    typed("rolloutctl check playbook.yaml --gate e", "--gate errors")
    typed("rolloutctl plan pla", "plan playbook.yaml")
    typed("rolloutctl abtest s", "abtest size")


def test_an_error_never_reaches_the_prompt(tmp_path):
    """A journal that is none, a playbook that is none, a kind that nobody knows: silence."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    (tmp_path / "journal.db").write_text("this is no journal")
    place = Place(tmp_path)

    for words in (["rollout", ""], ["gate", "", str(broken)], ["nothing", ""], []):
        said = place.run("__complete", *words)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
