"""Sets the demo's stage, lets somebody drive a rollout on it, clears it again.

It knows neither the screen nor the runner: both come in as functions, because the demo
must drive exactly what `rolloutctl start --auto` drives.
"""

from __future__ import annotations

import http.client
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.demo import processes
from rolloutctl.errors import Unavailable, UsageError

#: Answers that must have been served before the rollout begins.
WARM_ANSWERS = 60
WARM_TIMEOUT_S = 20.0
_POLL_S = 0.1
_ALL_DAY = ("--seconds", "86400")
_HURRIED = "a rollout of two days, with\n# seconds where a real one has hours"
_HOLD = re.compile(r"(- \{.*hold: )\d+s")
_SCRAPE_TIMEOUT_S = 2.0
_SCRAPE_MAX_BYTES = 1_000_000
_FLAGS_DEFAULT = "flags: {default: /etc/flagd/flags.json}"
#: The canary of a stage is bad while this file is in its folder.
BAD = "bad"
#: How long each step holds where a person plays, in seconds.
HANDS_ON_HOLD_S = 30
_METRICS_DEFAULT = 'metrics: {default: "http://127.0.0.1:8100/metrics"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked for. `keep` is the folder to leave the pieces in.

    `is_hands_on`: nothing is driven; the playbook holds as long as people need to look.
    """

    is_regression: bool = False
    is_hands_on: bool = False
    keep: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the driver gets: a playbook to run, and where its journal goes."""

    folder: Path
    flags: Path
    playbook: Path
    store: Path
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended. `flags_as_before`: the flag file has its first bytes again."""

    exit_code: int
    flags_as_before: bool


#: Runs the stage's playbook and returns the exit code of that run.
Drive = Callable[[Stage], int]
#: Says one line to the user.
Tell = Callable[[str], None]


def run(options: Options, *, drive: Drive, tell: Tell) -> Outcome:
    """The whole demo. No process of it is left, however it ends.

    Raises `Unavailable` when the application does not come up, `UsageError` when the folder
    to keep has other things in it, and whatever `drive` raises. SIGTERM and SIGHUP
    become `KeyboardInterrupt`, unless the driver handles them itself.
    """
    with ExitStack() as stack:
        stack.enter_context(_signals_interrupt())
        folder = stack.enter_context(_folder(options.keep))
        flags = folder / "flags.json"
        before = _template("flags.json").encode()
        flags.write_bytes(before)
        stage = stack.enter_context(_application(folder, flags, options))
        if options.keep is not None:
            (folder / "README.txt").write_text(_instructions(stage), encoding="utf-8")
        tell(f"the demo's application answers at {stage.url}, with traffic")
        tell(f"its flags: {flags}")
        exit_code = drive(stage)
        return Outcome(exit_code=exit_code, flags_as_before=flags.read_bytes() == before)


@contextmanager
def _application(folder: Path, flags: Path, options: Options) -> Iterator[Stage]:
    """The service and its traffic, warm; both ended on the way out."""
    with ExitStack() as stack:
        arguments = ["--flags", str(flags), "--bad-while", str(folder / BAD)]
        arguments += ["--regression"] if options.is_regression else []
        service = processes.start("rolloutctl.demo.service", arguments, log=folder / "service.log")
        stack.callback(processes.end, service)
        port = int(service.first_line.removeprefix("port "))
        url = f"http://127.0.0.1:{port}"
        traffic = processes.start(
            "rolloutctl.demo.traffic",
            ["--url", url, *(_ALL_DAY if options.is_hands_on else ())],
            log=folder / "traffic.log",
        )
        stack.callback(processes.end, traffic)
        _wait_until_warm(port, service)
        yield Stage(
            folder=folder,
            flags=flags,
            playbook=_write_playbook(folder, flags, url, is_hands_on=options.is_hands_on),
            store=folder / "journal.db",
            url=url,
        )


def _write_playbook(folder: Path, flags: Path, url: str, *, is_hands_on: bool) -> Path:
    """The template with this run's file and address as the defaults of its inputs.

    For people it holds longer, and asks before it goes to everybody.
    """
    text = _template("playbook.yaml")
    for old, new in (
        (_FLAGS_DEFAULT, f'flags: {{default: "{flags}"}}'),
        (_METRICS_DEFAULT, f'metrics: {{default: "{url}/metrics"}}'),
    ):
        text = text.replace(old, new)
    if is_hands_on:
        text = _HOLD.sub(rf"\g<1>{HANDS_ON_HOLD_S}s", text)
        text = text.replace("{canary: 50%,", "{canary: 50%, confirm: true,")
        text = text.replace("deadline: 3m", "deadline: 2h")
        text = text.replace(_HURRIED, "steps of half\n# a minute")
    path = folder / "playbook.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _wait_until_warm(port: int, service: processes.Child) -> None:
    """Returns once real traffic flows: the gates must be able to see something."""
    clock = SystemClock()
    deadline_s = monotonic_s() + WARM_TIMEOUT_S
    while monotonic_s() < deadline_s and service.is_running:
        if served_answers(port) >= WARM_ANSWERS:
            return
        clock.sleep(_POLL_S)
    raise Unavailable(
        f"the demo's application served fewer than {WARM_ANSWERS} answers in {WARM_TIMEOUT_S:g} s",
        hint="look for a firewall between programs on 127.0.0.1; run again with --keep DIR "
        "and read service.log and traffic.log there",
    )


def served_answers(port: int) -> float:
    """Live answers that the service on this port has counted; 0 if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SCRAPE_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read(_SCRAPE_MAX_BYTES).decode()
    except (OSError, http.client.HTTPException):
        return 0.0
    finally:
        connection.close()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith("llm_requests_total{") and 'mode="live"' in line
    )


def _template(name: str) -> str:
    return files("rolloutctl.demo").joinpath(name).read_text(encoding="utf-8")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The user's folder, left behind; or a temporary one, removed."""
    if keep is None:
        with tempfile.TemporaryDirectory(
            prefix="rolloutctl-demo-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)
        return
    if str(keep).startswith("-"):
        raise UsageError(
            f"--keep {keep}: that is an option, not a folder",
            hint="name a new folder: rolloutctl demo --keep ./demo-pieces",
        )
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise UsageError(
                f"the folder {keep} is not empty; the demo writes its pieces there",
                hint="name a new folder: rolloutctl demo --keep DIR",
            )
    except OSError as error:
        raise UsageError(
            f"the folder {keep} cannot be used: {error.strerror}",
            hint="name a folder that you may write: rolloutctl demo --keep DIR",
        ) from error
    yield keep.resolve()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP unwind like Ctrl-C, so that the folder is cleared too."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {name: signal.signal(name, interrupt) for name in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _instructions(stage: Stage) -> str:
    port = stage.url.rsplit(":", 1)[1]
    rolloutctl = shlex.quote(command())
    store = f"--store {shlex.quote(str(stage.store))}"
    kill = (
        f"{rolloutctl} kill 'flagd-file://{stage.flags}#llm-model' --to gpt-4 --shadow llm-shadow"
    )
    return f"""\
The pieces of the rolloutctl demo, to play with. Three terminals:

1. The application (add --regression for a canary that goes bad at 25 %):
   {sys.executable} -m rolloutctl.demo.service --flags {stage.flags} --port {port}

2. Its users:
   {sys.executable} -m rolloutctl.demo.traffic --url {stage.url}

3. The rollout, its journal kept in this folder. The demo may have left the new model at
   100 %; a rollout begins where everybody is served the old one, so first bring it back:
   export ROLLOUTCTL_STORE={stage.store}
   {kill}

   Then what you would do every time, and once more the kill whenever you like:
   {rolloutctl} plan {stage.playbook}
   {rolloutctl} start {stage.playbook}

   While it runs, from any other terminal (ROLLOUT is the id that `list` shows):
   {rolloutctl} list {store}
   {rolloutctl} watch {store} ROLLOUT
   {rolloutctl} promote {store} ROLLOUT     end the hold now, if the gates pass
   {rolloutctl} pause {store} ROLLOUT       freeze it; resume goes on
   {rolloutctl} resume {store} ROLLOUT
   {rolloutctl} rollback {store} ROLLOUT    take it back, verified
   {rolloutctl} explain {store} ROLLOUT     what was decided, and why
   {rolloutctl} kill {store} ROLLOUT        the kill switch: control for everybody, now
"""


def command() -> str:
    """How this installation's command is called where it may not be on the PATH."""
    beside = Path(sys.executable).with_name("rolloutctl")
    on_path = shutil.which("rolloutctl")
    is_ours = on_path is not None and Path(on_path).resolve() == beside.resolve()
    return "rolloutctl" if is_ours or not beside.exists() else str(beside)
