import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rolloutctl.cli import commands, schema, wiring
from rolloutctl.cli.main import output_wanted, run
from rolloutctl.errors import ExitCode

#: What no path needs that does not name it.
SDKS = ("boto3", "kubernetes", "scipy", "ldclient", "UnleashClient", "openfeature", "httpx", "rich")


def imported_by(folder, *arguments):
    """Names of the SDKs that one command line imports, in a process of its own."""
    code = (
        "import sys, os; from rolloutctl.cli.main import run;"
        f"code = run({list(arguments)!r}, os.environ);"
        f"print('CODE', int(code), [n for n in {SDKS!r} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=folder
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("kill", "--help"),
        ("lint", "good.yaml"),
        ("lint", "local.yaml"),
    ],
    ids=" ".join,
)
def test_no_sdk_is_imported_where_none_is_needed(folder, arguments):
    """Help, version and lint load no vendor's client, no HTTP client and no Rich."""
    assert imported_by(folder, *arguments) == "CODE 0 []"


def test_killing_a_flagd_flag_imports_no_sdk(folder):
    """On call, only the provider that the address names is loaded."""
    address = f"flagd-file://{folder}/flags.json#half"

    assert imported_by(folder, "kill", address, "--to", "gpt-4") == "CODE 0 []"


def test_the_version_is_told_without_typer(folder):
    """`--version` pays for nothing but the interpreter."""
    code = (
        "import sys, os; from rolloutctl.cli.main import run; run(['--version'], os.environ);"
        "sys.exit('typer' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, cwd=folder
    )

    assert done.returncode == 0
    assert done.stdout.startswith(b"rolloutctl ")


@pytest.mark.parametrize("name", sorted(commands.entries()))
def test_every_command_has_help_with_an_example(rolloutctl, name):
    """Whoever asks a command for help sees what it does, its exit codes or an example."""
    said = rolloutctl(name, "--help")

    assert said.exit_code == 0
    assert f"Usage: rolloutctl {name}" in said.out
    assert "Example:" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_every_summary_fits_into_eighty_columns(rolloutctl):
    """The list of commands is not folded on a narrow terminal."""
    said = rolloutctl("--help")

    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_a_bug_is_one_line_and_exit_1(rolloutctl, monkeypatch):
    """Nobody meets a traceback who did not ask for one."""
    monkeypatch.setattr(schema, "run", lambda: 1 / 0)

    said = rolloutctl("schema")

    assert said.exit_code == ExitCode.BUG
    assert "this is a bug in rolloutctl: ZeroDivisionError" in said.err
    assert "Traceback" not in said.err


def test_a_bug_shows_its_traceback_when_asked(rolloutctl, monkeypatch):
    """ROLLOUTCTL_DEBUG=1 is what a report needs."""
    monkeypatch.setattr(schema, "run", lambda: 1 / 0)
    monkeypatch.setenv("ROLLOUTCTL_DEBUG", "1")

    said = rolloutctl("schema")

    assert "Traceback" in said.err


def test_ctrl_c_where_nothing_is_driven_is_130(rolloutctl, monkeypatch):
    """An interrupted reading command says so and has the shell's code."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "run", interrupted)

    said = rolloutctl("schema")

    assert said.exit_code == ExitCode.INTERRUPTED
    assert "Traceback" not in said.err


def test_an_error_is_json_on_stdout_where_json_was_asked_for(rolloutctl):
    """A pipeline parses stdout whatever happened; people read stderr."""
    said = rolloutctl("status", "nobody", "--output=json")

    assert said.exit_code == ExitCode.INVALID
    assert json.loads(said.out)["error"]["exit_code"] == 3
    assert "no journal at $PWD/journal.db" in said.err


def test_a_reader_that_left_changes_no_exit_code(folder):
    """`rolloutctl schema | head -1` is quiet, and still 0."""
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [sys.executable, "-m", "rolloutctl.cli.main", "schema"],
        check=False,
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    os.close(write)

    assert done.returncode == 0
    assert done.stderr == b""


def on_a_full_disk(folder, *arguments):
    """The exit code of a command whose both streams go to a full disk."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "rolloutctl.cli.main", *arguments]
        return subprocess.run(command, check=False, stdout=full, stderr=full, cwd=folder).returncode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_stops_no_kill_and_hides_no_lost_data(folder):
    """The flag is brought to control, exit 0; a list that nobody can read is no success."""
    flags = folder / "flags.json"
    exposed = flags.read_text()
    wiring.journal("", os.environ).close()

    killed = on_a_full_disk(folder, "kill", f"flagd-file://{flags}#half", "--to", "gpt-4")
    listed = on_a_full_disk(folder, "list", "--output", "json")

    assert killed == ExitCode.DONE
    assert flags.read_text() != exposed
    assert listed == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "table"),
        (["plan", "--output", "json"], "json"),
        (["plan", "-o", "yaml"], "yaml"),
        (["plan", "--output=ndjson", "x"], "ndjson"),
        (["plan", "--output"], ""),
    ],
)
def test_the_output_is_known_before_the_line_is_parsed(arguments, wanted):
    """Errors in the command line itself come in the form that was asked for."""
    assert output_wanted(arguments) == wanted


def test_a_closed_stdout_is_no_traceback(monkeypatch):
    """A process started with stdout closed still ends with its own code."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert run(["--version"], {}) == ExitCode.DONE


@pytest.mark.parametrize("name", ["flagd-file://x", "a\nb", "a b", "-x", "\udcff", "x" * 101])
def test_an_id_that_other_commands_could_not_take_begins_nothing(rolloutctl, name):
    """`kill ID` reads `x://y` as an address: such a rollout could not be killed by its id."""
    said = rolloutctl("start", "seconds.yaml", "--auto", "--detach", f"--id={name}")

    assert said.exit_code == ExitCode.USAGE
    assert "is no id for a rollout" in said.err
    assert "letters, digits" in said.err
    assert rolloutctl("list").out.count("\n") <= 1
