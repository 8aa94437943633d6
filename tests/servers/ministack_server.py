"""A running ministack, an independent emulator of AWS, on a free loopback port.

It pins its own botocore, so it is a process in a virtual environment of its own
(scripts/get-ministack). What it and `fake_aws` do differently: README-aws.md.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from servers.prometheus import wait_until
from servers.scripted import free_port

_CACHED = Path(__file__).parents[2] / ".cache/servers/ministack/bin/python"
HOW = "no ministack; run: scripts/get-ministack"
#: Ready takes about a second; a loaded machine gets much longer.
READY_S = 60.0
#: Its own way to end is tried first: it removes a file.
_END_S = 10.0
#: Runs in its Python, not in ours: a minute of AppConfig takes as long as the argument says.
_LAUNCHER = """
import sys
import ministack.services.appconfig as appconfig
from ministack.app import main
if not hasattr(appconfig, "_DEPLOYMENT_MINUTE_SECONDS"):
    sys.exit("this ministack does not know how long a minute is")
appconfig._DEPLOYMENT_MINUTE_SECONDS = float(sys.argv.pop())
main()
"""


def ministack_python():
    """The Python it is installed in; without one the test is skipped, in CI too."""
    named = os.environ.get("ROLLOUTCTL_TEST_MINISTACK")
    python = Path(named) if named else _CACHED
    return python if python.exists() else pytest.skip(HOW)


@contextlib.contextmanager
def running_ministack(folder, *, minute_s):
    """Yields its address; a minute of a deployment takes `minute_s`."""
    python, port, log = ministack_python(), free_port(), folder / "ministack.log"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),  # where it writes its process id
        "BIND_HOST": "127.0.0.1",  # without it, every interface
        "GATEWAY_PORT": str(port),
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(python), "-c", _LAUNCHER, str(minute_s)],
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(process, url, log), what="ministack answers", limit_s=READY_S)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)


def _is_ready(process, url, log):
    assert process.poll() is None, f"ministack ended: {log.read_text('utf-8')}"
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{url}/_ministack/health", timeout=1) as answer,  # noqa: S310 - loopback
    ):
        return answer.status == 200
    return False
