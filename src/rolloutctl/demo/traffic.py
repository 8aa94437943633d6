"""The demo's users: a fixed rate of questions from a fixed set of people.

Who asks when is the same in every run. Run by hand:
`python -m rolloutctl.demo.traffic --url http://127.0.0.1:8100`.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.demo import lifeline

THREADS = 16
RATE_DEFAULT = 120.0
#: Requests a second; more than this starves two cores and slows the service itself.
RATE_MAX = 500.0
SECONDS_DEFAULT = 600.0
SECONDS_MAX = 86_400.0
USERS_DEFAULT = 2_000
#: Coprime to the number of users: everybody comes, in an order without a pattern.
_STRIDE = 7_919
_TIMEOUT_S = 5.0
_RETRY_S = 0.2
#: A schedule that fell behind by more is given up: no burst follows an outage.
_BEHIND_MAX_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send where. `rate` in requests a second, `seconds` until it ends."""

    host: str
    port: int
    rate: float
    seconds: float
    users: int


def user_id(number: int, users: int) -> str:
    """Who asks the question with this number."""
    return f"user-{number * _STRIDE % users:05d}"


def _send(connection: http.client.HTTPConnection, user: str) -> bool:
    """One question; False when the service could not be reached."""
    try:
        connection.request("GET", f"/ask?user={user}")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    return True


def _ask_in_turn(load: Load, first: int, *, began_s: float) -> None:
    """Sends the questions first, first + THREADS, … each at its own time."""
    clock = SystemClock()
    connection = http.client.HTTPConnection(load.host, load.port, timeout=_TIMEOUT_S)
    number, schedule_s = first, began_s
    while (now_s := monotonic_s()) - began_s < load.seconds:
        due_s = schedule_s + number / load.rate
        if now_s - due_s > _BEHIND_MAX_S:
            schedule_s += now_s - due_s
            continue
        clock.sleep(due_s - now_s)
        if not _send(connection, user_id(number, load.users)):
            clock.sleep(_RETRY_S)
        number += THREADS


def send(load: Load) -> None:
    """Sends until the time is over; returns then."""
    began_s = monotonic_s()
    workers = [
        threading.Thread(
            target=_ask_in_turn, args=(load, first), kwargs={"began_s": began_s}, daemon=True
        )
        for first in range(THREADS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main(arguments: list[str] | None = None) -> None:
    """Sends traffic until SIGTERM or the end of its time."""
    parser = argparse.ArgumentParser(prog="python -m rolloutctl.demo.traffic")
    parser.add_argument("--url", required=True, help="the service, http://127.0.0.1:PORT")
    parser.add_argument("--rate", type=float, default=RATE_DEFAULT, help="requests a second")
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT)
    parser.add_argument("--users", type=int, default=USERS_DEFAULT)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args(arguments)
    url = urlsplit(options.url)
    if url.scheme != "http" or not url.hostname or not url.port:
        parser.error("--url must look like http://127.0.0.1:8100")
    if not 0 < options.rate <= RATE_MAX or not 0 < options.seconds <= SECONDS_MAX:
        parser.error(f"--rate is at most {RATE_MAX:g}, --seconds at most {SECONDS_MAX:g}")
    lifeline.end_on_sigterm()
    if options.with_parent:
        lifeline.end_with_parent()
    load = Load(
        host=url.hostname,
        port=url.port,
        rate=options.rate,
        seconds=options.seconds,
        users=max(1, options.users),
    )
    sys.stdout.write(f"sending {load.rate:g} requests/s to {options.url}\n")
    sys.stdout.flush()
    try:
        send(load)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
