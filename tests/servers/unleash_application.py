"""An application on the real UnleashClient, as a process: see `flagged_service.py`.

Usage: python unleash_application.py URL TOKEN FLAG LABEL NAME=VALUE… [--shadow FLAG]
       [--fail-above SHARE] [--fail-while FILE]

Prints "port N" when it answers; ends with its standard input.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.flagged_service import Service

SDK_POLL_S = 1


def main(wanted):
    """Runs until standard input ends."""
    from UnleashClient import UnleashClient  # noqa: PLC0415 - after the arguments are right

    folder = tempfile.TemporaryDirectory()  # the SDK's copy of the flags, on its own
    client = UnleashClient(
        f"{wanted.url}/api",
        "lab",
        cache_directory=folder.name,
        refresh_interval=SDK_POLL_S,
        disable_metrics=True,
        disable_registration=True,
        custom_headers={"Authorization": wanted.token},
    )
    client.initialize_client()
    service = Service(
        ask=lambda user: client.get_variant(wanted.flag, {"userId": f"user-{user}"})["name"],
        mirrors=lambda user: (
            bool(wanted.shadow) and client.is_enabled(wanted.shadow, {"userId": f"user-{user}"})
        ),
        label=wanted.label,
        names=dict(one.split("=", 1) for one in wanted.names),
        fail_above=wanted.fail_above,
        fail_while=wanted.fail_while,
    )
    print(f"port {service.begin()}", flush=True)  # noqa: T201 - its caller reads it
    sys.stdin.read()
    client.destroy()
    folder.cleanup()


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "token", "flag", "label"):
        parser.add_argument(name)
    parser.add_argument("names", nargs="+", metavar="NAME=VALUE")
    parser.add_argument("--shadow", default="")
    parser.add_argument("--fail-above", type=float, default=2.0)
    parser.add_argument("--fail-while", type=Path, default=Path("/nowhere"))
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
