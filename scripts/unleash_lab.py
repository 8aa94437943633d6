"""Runs Unleash, Prometheus, Alertmanager and an application to play with, until Ctrl-C.

Usage: make unleash-lab

Makes the flags of the ready playbooks for Unleash, users who ask for them through the real
UnleashClient, a Prometheus that watches the application, and the playbooks themselves with
seconds for hours. Prints addresses, tokens and commands to copy, and then what the users get
whenever that changes. Nothing is kept. Needs what the tests need: node, npm, PostgreSQL, and
apt for the Debian packages of Prometheus and Alertmanager.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers import unleash_application  # noqa: E402 - after its folder is known
from servers import unleash_supervisor as supervisor  # noqa: E402 - same
from servers.in_seconds import in_seconds  # noqa: E402 - same

FEATURES = "/api/admin/projects/default/features"
ENVIRONMENT = "development"
HOLD = "15s"
#: flag -> (label, variants with what metrics call them, shadow flag); control first
MODELS, PROMPT, SHADOW = "llm-model", "support-prompt", "llm-model-shadow"
FLAGS = {
    MODELS: ("model", {"gpt-4": "gpt-4", "claude": "claude-3-5-sonnet-20241022"}, SHADOW),
    PROMPT: ("prompt", {"v3": "v3", "v4": "v4"}, ""),
}
PLAYBOOKS = ("unleash-model-canary.yaml", "unleash-prompt-variants.yaml", "unleash-ab-test.yaml")
RULES = """groups:
  - name: lab
    rules:
      - alert: ManyFailures
        expr: >-
          sum(rate(llm_requests_total{status!="200"}[5s]))
          / sum(rate(llm_requests_total[5s])) > 0.05
        for: 2s
"""
#: A share that moved by less is chance.
_MOVED = 0.03
_LOOK_S = 0.5
TEXT = """
Unleash      {url}/projects/default    user admin, password unleash4all
Prometheus   {prometheus}
Alertmanager {alertmanager}    alert ManyFailures, of more than 5 % failed answers

In another terminal, in this folder:

  export UNLEASH_ADMIN_TOKEN='{admin}'
  export UNLEASH_CLIENT_TOKEN='{client}'
  export ROLLOUTCTL_STORE={folder}/journal.db
  .venv/bin/rolloutctl start {folder}/unleash-model-canary.yaml       shadow, 5 % .. 100 %
  .venv/bin/rolloutctl start {folder}/unleash-prompt-variants.yaml    a prompt as a payload
  .venv/bin/rolloutctl start {folder}/unleash-ab-test.yaml            or an A/B test of it
  touch {folder}/bad                      the canary fails half of its requests; rm mends it
  .venv/bin/rolloutctl verify unleash://{place}/default/development/llm-model \\
      --control gpt-4 --canary claude
  .venv/bin/rolloutctl kill unleash://{place}/default/development/llm-model --to gpt-4

What the users get, whenever it changes; Ctrl-C here ends everything.
"""


def main() -> int:
    """Starts it, prepares it, tells what is served."""
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends everything too
        signal.signal(ending, signal.default_int_handler)
    try:
        unleash, prometheus = _got("get-unleash"), _got("get-prometheus")
        alertmanager = _got("get-alertmanager")
    except subprocess.CalledProcessError as failed:
        print(failed.stderr, file=sys.stderr)
        return 1
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        state = stack.enter_context(_running(unleash))
        if "error" in state:
            print(f"Unleash did not start: {state['error']}", file=sys.stderr)
            return 1
        url, folder = state["url"], Path(tempfile.mkdtemp(prefix="rolloutctl-lab-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        _prepare(url)
        pages = {flag: stack.enter_context(_application(url, flag, folder)) for flag in FLAGS}
        paging = stack.enter_context(_alertmanager(alertmanager, folder))
        _configure(folder, list(pages.values()), paging)
        watching = stack.enter_context(_prometheus(prometheus, folder))
        _write_playbooks(folder, url, watching)
        said = TEXT.format(
            url=url,
            place=url.removeprefix("http://"),
            prometheus=watching,
            alertmanager=paging,
            folder=folder,
            admin=supervisor.ADMIN_TOKEN,
            client=supervisor.CLIENT_TOKENS[ENVIRONMENT],
        )
        print(said, flush=True)
        _tell(pages)
    return 0


def _got(script: str) -> Path:
    """What a script of ours has brought here."""
    found = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts" / script], capture_output=True, text=True, check=True
    )
    return Path(found.stdout.strip())


@contextlib.contextmanager
def _application(url: str, flag: str, folder: Path) -> Iterator[int]:
    """An application that asks for the flag; the port of its metrics."""
    label, names, shadow = FLAGS[flag]
    words = [url, supervisor.CLIENT_TOKENS[ENVIRONMENT], flag, label]
    words += [f"{name}={value}" for name, value in names.items()]
    words += ["--shadow", shadow, "--fail-while", str(folder / "bad")]
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, unleash_application.__file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )
    with process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        yield int(process.stdout.readline().removeprefix("port "))
        process.communicate()  # closes its standard input: it ends


@contextlib.contextmanager
def _prometheus(binary: Path, folder: Path) -> Iterator[str]:
    """A Prometheus with the folder's configuration; its address."""
    own = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    with _server(binary, folder, "prometheus", *own) as url:
        yield url


@contextlib.contextmanager
def _alertmanager(binary: Path, folder: Path) -> Iterator[str]:
    """An Alertmanager that tells nobody; its address."""
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    own = (f"--config.file={config}", f"--storage.path={folder}/silences")
    alone = ("--cluster.listen-address=",)
    with _server(binary, folder, "alertmanager", *own, *alone) as url:
        yield url


def _configure(folder: Path, ports: list[int], alertmanager: str) -> None:
    """What Prometheus watches, and the alert that it sends."""
    targets = ", ".join(f"'127.0.0.1:{one}'" for one in ports)
    place = alertmanager.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}\n"
        f"scrape_configs: [{{job_name: app, static_configs: [{{targets: [{targets}]}}]}}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{place}']}}]}}]}}\n"
        "rule_files: [rules.yml]\n"
    )
    (folder / "rules.yml").write_text(RULES)


@contextlib.contextmanager
def _server(binary: Path, folder: Path, name: str, *words: str) -> Iterator[str]:
    """One server on a free loopback port; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - Debian's package
            [binary, *words, f"--web.listen-address={place}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=binary.parents[2],  # our copy of Alertmanager looks for its template there
        )
    try:
        yield f"http://{place}"
    finally:
        process.terminate()
        process.wait()


def _write_playbooks(folder: Path, url: str, prometheus: str) -> None:
    """The ready playbooks, with seconds for hours and these servers for inputs."""
    for name in PLAYBOOKS:
        text = in_seconds((ROOT / "playbooks" / name).read_text("utf-8"), hold=HOLD, asks=True)
        text = text.replace("https://unleash.example.com", url)
        text = text.replace("http://127.0.0.1:9090", prometheus)
        text = text.replace("{default: production,", f"{{default: {ENVIRONMENT},")
        (folder / name).write_text(text, "utf-8")


def _tell(pages: dict[str, int]) -> None:
    """Prints the canary's share of each application's latest requests when it moved."""
    told = dict.fromkeys(pages, -1.0)
    while True:
        for flag, port in pages.items():
            share = float(httpx.get(f"http://127.0.0.1:{port}").text.split()[1])
            is_at_an_end = share in (0.0, 1.0) and share != told[flag]
            if is_at_an_end or abs(share - told[flag]) > _MOVED:
                told[flag] = share
                canary = list(FLAGS[flag][1])[-1]
                print(f"{time.strftime('%H:%M:%S')}  {flag}: {canary} {share:.0%}", flush=True)
        time.sleep(_LOOK_S)  # noqa: TID251 - until Ctrl-C


@contextlib.contextmanager
def _running(unleash: Path) -> Iterator[dict[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-unleash-lab-"))
    folder.chmod(0o755)  # the database's user must get in
    user = folder / "users" / str(os.getpid())
    user.parent.mkdir()
    user.touch()
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, supervisor.__file__, str(folder), str(unleash)], start_new_session=True
    )
    try:
        while not (folder / "state.json").exists():
            time.sleep(0.1)  # noqa: TID251 - a script; the supervisor has the limit
        yield json.loads((folder / "state.json").read_text("utf-8"))
    finally:
        process.terminate()
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("ending Unleash and its database")
        process.wait()


def _prepare(url: str) -> None:
    """The flags that the playbooks and the printed commands speak of."""
    with httpx.Client(base_url=url, headers={"Authorization": supervisor.ADMIN_TOKEN}) as admin:
        for flag, (label, names, _) in FLAGS.items():
            _make(admin, flag, "100", _variants(label, names))
        _make(admin, SHADOW, "0", [])


def _variants(label: str, names: dict[str, str]) -> list[dict[str, object]]:
    """Control at all of the weight, the canary at none; payloads say what is meant."""
    control = next(iter(names))
    return [
        {
            "name": name,
            "weight": 1000 if name == control else 0,
            "weightType": "variable" if name == control else "fix",
            "stickiness": "userId",
            "payload": {"type": "json", "value": json.dumps({label: value})},
        }
        for name, value in names.items()
    ]


def _make(admin: httpx.Client, flag: str, rollout: str, variants: list[dict[str, object]]) -> None:
    admin.post(FEATURES, json={"name": flag, "type": "release"}).raise_for_status()
    for environment in supervisor.CLIENT_TOKENS:
        base = f"{FEATURES}/{flag}/environments/{environment}"
        parameters = {"rollout": rollout, "stickiness": "userId", "groupId": flag}
        strategy = {"name": "flexibleRollout", "parameters": parameters, "variants": variants}
        admin.post(f"{base}/strategies", json=strategy).raise_for_status()
        admin.post(f"{base}/on").raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
