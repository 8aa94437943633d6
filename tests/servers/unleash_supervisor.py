"""Runs PostgreSQL and Unleash on free loopback ports for as long as somebody uses them.

Usage: python unleash_supervisor.py FOLDER UNLEASH

A process of its own, because the two servers are shared by the workers of a test run and
must end even if all of those are killed: users are files `FOLDER/users/PID`, and when none
of them is alive any more, the servers are ended by their ids and FOLDER is removed.
`FOLDER/state.json` appears when Unleash answers, or says why it does not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ADMIN_TOKEN = "*:*.planted-unleash-admin"
CLIENT_TOKENS = {
    "development": "*:development.planted-unleash-client",
    "production": "*:production.planted-unleash-client",
}
#: About 6 s on an idle machine: database, migrations, server.
READY_S = 90.0
#: A user that just left may be followed by another worker's first test.
IDLE_S = 2.0
END_S = 10.0
#: In a supervised folder: the supervisor's process id.
PID_FILE = "supervisor.pid"


def main(folder: Path, unleash: Path) -> None:
    """Starts both, tells, waits for the last user, ends both."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stack = contextlib.ExitStack()
    try:
        with stack:
            stack.callback(_remove, folder)
            server = None
            try:
                server = _start(stack, folder, unleash)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                _tell(folder, {"error": f"{error}\n{_logs(folder)}"})
            else:
                _tell(folder, {"url": server.url, "pid": os.getpid(), "server": server.pid})
            _wait_for_the_last_user(folder, server)
    except SystemExit:
        return


class _Unleash:
    """The server's process; one that was killed is followed by another at the same place."""

    def __init__(self, url: str, command: list[str], environment: dict[str, str], log: IO[bytes]):
        self.url, self._command, self._environment, self._log = url, command, environment, log
        self._begin()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid

    def is_running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def follow(self) -> None:
        """Starts another one if it was killed."""
        if not self.is_running():
            self._begin()

    def end(self) -> None:
        """Ends it by its id."""
        _end(self._process)


def _start(stack: contextlib.ExitStack, folder: Path, unleash: Path) -> _Unleash:
    database = _start_postgres(stack, folder)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": f"postgres://unleash@127.0.0.1:{database}/postgres",
        "DATABASE_SSL": "false",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "UNLEASH_URL": url,
        "NODE_ENV": "production",
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "LOG_LEVEL": "warn",
        "INIT_ADMIN_API_TOKENS": ADMIN_TOKEN,
        "INIT_BACKEND_API_TOKENS": ",".join(CLIENT_TOKENS.values()),
    }
    log = stack.enter_context((folder / "unleash.log").open("wb"))
    command = ["node", str(unleash / "node_modules/unleash-server/dist/server.js")]
    server = _Unleash(url, command, environment, log)
    stack.callback(server.end)
    deadline = time.monotonic() + READY_S  # noqa: TID251 - a process of its own
    while not _is_healthy(url):
        if not server.is_running() or time.monotonic() > deadline:  # noqa: TID251 - same
            raise RuntimeError("Unleash did not start")
        time.sleep(0.1)  # noqa: TID251 - same
    return server


def _start_postgres(stack: contextlib.ExitStack, folder: Path) -> int:
    binaries, port = _postgres_binaries(), _free_port()
    place = folder / "postgres"
    place.mkdir()
    as_user = _as_user(place)
    log = stack.enter_context((folder / "postgres.log").open("wb"))
    subprocess.run(
        [
            *(*as_user, binaries / "initdb", "-D", place / "data", "-U", "unleash"),
            *("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
    )
    options = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={place}")
    settings = [word for option in (*options, "fsync=off") for word in ("-c", option)]
    process = subprocess.Popen(
        [*as_user, binaries / "postgres", "-D", place / "data", *settings],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
    )
    stack.callback(_end, process, signal.SIGQUIT)  # at once: nothing in it is kept
    deadline = time.monotonic() + READY_S  # noqa: TID251 - a process of its own
    while not (place / f".s.PGSQL.{port}").exists():
        if process.poll() is not None or time.monotonic() > deadline:  # noqa: TID251 - same
            raise RuntimeError("PostgreSQL did not start")
        time.sleep(0.05)  # noqa: TID251 - same
    return port


def _postgres_binaries() -> Path:
    """The folder with `initdb` and `postgres`; raises `RuntimeError` without one."""
    found = postgres_binaries()
    if found is None:
        raise RuntimeError("no PostgreSQL")
    return found


def postgres_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`: as named, as Debian has it, or on PATH."""
    named = os.environ.get("ROLLOUTCTL_TEST_POSTGRES")
    folders = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]
    on_path = shutil.which("initdb")
    if on_path and not named:
        folders.append(Path(on_path).resolve().parent)
    needed = ("initdb", "postgres")
    return next((f for f in folders if all((f / name).exists() for name in needed)), None)


def _as_user(place: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as a user that owns only its data."""
    if os.geteuid():
        return []
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(place, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - loopback
            return answer.status == 200
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    process.send_signal(how)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)


def _tell(folder: Path, state: dict[str, object]) -> None:
    fresh = folder / "state.json.new"
    fresh.write_text(json.dumps(state), "utf-8")
    fresh.rename(folder / "state.json")


def _logs(folder: Path) -> str:
    texts = [path.read_text("utf-8", "replace")[-2_000:] for path in folder.glob("*.log")]
    return "\n".join(texts)


def _ended(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-ended-{os.getpid()}")


def _remove(folder: Path) -> None:
    shutil.rmtree(_ended(folder) if _ended(folder).exists() else folder, ignore_errors=True)


def _wait_for_the_last_user(folder: Path, server: _Unleash | None) -> None:
    last_used = time.monotonic()  # noqa: TID251 - a process of its own
    while True:
        if server is not None:
            server.follow()
        with locked():
            if _is_used(folder):
                last_used = time.monotonic()  # noqa: TID251 - same
            elif time.monotonic() - last_used > IDLE_S:  # noqa: TID251 - same
                # Under the lock: whoever comes next finds no server and starts another.
                folder.rename(_ended(folder))
                return
        time.sleep(0.2)  # noqa: TID251 - same


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One at a time may begin to use the servers, or end them."""
    place = Path(tempfile.gettempdir()) / f"rolloutctl-unleash-{os.getuid()}.lock"
    with place.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_supervised(folder: Path) -> bool:
    """A supervisor runs there, or is just starting the servers; ask under the lock."""
    try:
        return _is_alive(int((folder / PID_FILE).read_text("utf-8")))
    except (OSError, ValueError):
        return False


def _is_used(folder: Path) -> bool:
    users = list((folder / "users").iterdir())
    for user in users:
        if not _is_alive(int(user.name)):
            user.unlink(missing_ok=True)
    return bool(users)


def _is_alive(pid: int) -> bool:
    try:
        state = (
            Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        )
    except OSError:
        return False
    return state not in {"Z", "X"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
