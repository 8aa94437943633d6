"""A headless Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import httpx
import pytest

#: The longest that a page may take, in seconds.
PATIENCE_S = 60.0


def programs():
    """Chromium and its driver; skips where one is missing, unless they are required."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if all(found):
        return found
    reason = "needs Chromium: apt-get install chromium chromium-driver"
    if os.environ.get("ROLLOUTCTL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class Page:
    """A page that is open; `run` is JavaScript in it."""

    def __init__(self, client, session):
        self._client, self._session = client, session

    def post(self, path, **body):
        """The answer to a command of the session."""
        answer = self._client.post(self._session + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def open(self, path):
        """Opens a file."""
        self.post("/url", url=path.absolute().as_uri())

    def run(self, script):
        """What the script returns."""
        return self.post("/execute/sync", script=script, args=[])

    def sized(self, width, height):
        """Gives the page another size, a phone's too, and a colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **metrics)

    def coloured(self, scheme):
        """`light` or `dark`, as the reader's system says."""
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        self.tell("Emulation.setEmulatedMedia", features=wanted)

    def printed(self):
        """Shows the page as it would be printed."""
        self.tell("Emulation.setEmulatedMedia", media="print")

    def tell(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self.post("/goog/cdp/execute", cmd=command, params=parameters)

    @property
    def complaints(self):
        """What the browser wrote to its console."""
        return self.post("/se/log", type="browser")

    def picture(self):
        """The page as it is seen, as PNG."""
        answer = self._client.get(f"{self._session}/screenshot")
        return base64.b64decode(answer.json()["value"])


@contextmanager
def browser(folder):
    """A page in a browser of its own; both programs are ended by process id."""
    chromium, driver = programs()
    with subprocess.Popen(
        [driver, "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
    ) as process:
        try:
            port = _port(process)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
                session = client.post("/session", json=_wanted(chromium, folder)).json()["value"]
                path = f"/session/{session['sessionId']}"
                try:
                    yield Page(client, path)
                finally:
                    # Ends the browser; ending the driver alone would leave it behind.
                    client.delete(path).raise_for_status()
        finally:
            process.terminate()


def _port(process):
    for line in process.stdout:
        found = re.search(r"successfully on port (\d+)", line)
        if found:
            return int(found[1])
    pytest.fail("chromedriver ended before it said its port")


def _wanted(chromium, folder):
    # Nothing outside is reached, neither by a page nor by the browser itself.
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *offline]
    options = {"binary": chromium, "args": [*arguments, f"--user-data-dir={folder}/profile"]}
    always = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    return {"capabilities": {"alwaysMatch": always}}
