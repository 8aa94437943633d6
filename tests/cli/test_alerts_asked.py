"""`plan`, `start`, `check` and `simulate` of gates that ask for alerts by name."""

import json

import pytest

from servers.scripted import Answer, ScriptedServer

GATE = """
gates:
  pages: {{kind: alerts, source: prometheus, alerts: [{alerts}]}}
guardrails: [pages]
steps:
  - {{canary: 5%, hold: 10m, gates: [pages]}}
  - {{canary: 100%, hold: 10m}}
"""


def rule(name, *states, health="ok", at="2000-01-01T00:00:00Z"):
    alerts = [{"labels": {"alertname": name}, "state": state} for state in states]
    return {
        "type": "alerting",
        "name": name,
        "labels": {"severity": "page"},
        "health": health,
        "lastError": "many-to-many matching" if health == "err" else "",
        "lastEvaluation": at,
        "alerts": alerts,
    }


@pytest.fixture
def world(folder, clock, monkeypatch):
    """A Prometheus with rules that the test sets, and a playbook that names alerts."""

    def answer(seen):
        if seen.path.startswith("/api/v1/rules"):
            data = {"groups": [{"name": "g", "interval": 15, "rules": world.rules}]}
        else:
            data = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}
        return Answer(body=json.dumps({"status": "success", "data": data}))

    with ScriptedServer(answer) as server:
        monkeypatch.setenv("PROMETHEUS_URL", server.url)

        class World:
            rules = ()

            def load(self, *rules):
                self.rules = [one | {"lastEvaluation": clock.now().isoformat()} for one in rules]

            def playbook(self, alerts):
                head = (folder / "good.yaml").read_text().partition("\ngates:")[0]
                (folder / "alerts.yaml").write_text(head + GATE.format(alerts=alerts))
                return "alerts.yaml"

        world = World()
        yield world


@pytest.mark.parametrize("command", [("plan",), ("start", "--auto"), ("start", "--dry-run")])
def test_an_alert_that_is_not_loaded_is_refused_with_the_close_one(rolloutctl, world, command):
    """Before anything is written: its gate would be an error for ever."""
    world.load(rule("HighErrorRate"))

    run = rolloutctl(command[0], world.playbook("HighErorRate"), *command[1:])

    assert run.exit_code == 3
    said = " ".join((run.out + run.err).split())
    assert "gate pages: no alerting rule HighErorRate is loaded" in said
    assert "did you mean HighErrorRate?" in said


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        ((rule("Bad", "firing"),), "Bad is firing now"),
        ((rule("Bad", "pending"),), "Bad is pending now"),
        ((rule("Bad", health="err"),), "many-to-many"),
        ((rule("Bad"),), ""),
    ],
)
def test_a_plan_warns_of_what_would_not_pass_now(rolloutctl, world, rules, warning):
    """It may be over before the start, so it is no refusal."""
    world.load(*rules)

    run = rolloutctl("plan", world.playbook("Bad"))

    assert run.exit_code == 0
    assert warning in " ".join(run.out.split())
    assert ("gate pages:" in run.out) is bool(warning)


@pytest.mark.parametrize(
    ("states", "exit_code", "said"),
    [((), 0, "quiet: Bad"), (("firing",), 10, "firing: Bad"), (("pending",), 10, "pending: Bad")],
)
def test_check_judges_alerts_now(rolloutctl, world, states, exit_code, said):
    """One look decides; nothing was written, so the rules need not be newer than a step."""
    world.load(rule("Bad", *states))

    run = rolloutctl("check", world.playbook("Bad"))

    assert run.exit_code == exit_code
    assert said in run.out


def test_lint_refuses_silences_where_nobody_knows_of_any(rolloutctl, world, folder):
    """Prometheus does not; an Alertmanager does."""
    path = folder / world.playbook("Bad")
    text = path.read_text().replace("alerts: [Bad]", "alerts: [Bad], silences: respect")
    path.write_text(text)

    assert "cannot answer unsilenced-alerts" in rolloutctl("lint", "alerts.yaml").out
    source = "prometheus: {kind: alertmanager, prometheus: {url: 'http://h'},"
    path.write_text(text.replace("prometheus: {", source))
    assert rolloutctl("lint", "alerts.yaml").exit_code == 0


def test_simulate_takes_alerts_for_quiet_and_says_so(rolloutctl, world):
    """A planted one takes the rollout back."""
    name = world.playbook("Bad")

    quiet = rolloutctl("simulate", name)
    loud = rolloutctl("simulate", name, "--fault", "pages=2 at 5% after 2m")

    assert quiet.exit_code == 0
    said = " ".join(quiet.err.split())
    assert "gate pages asks for alerts, which cannot be modelled: it is answered 0" in said
    assert loud.exit_code == 10


def test_certify_leaves_alerts_quiet(rolloutctl, world):
    """There is no chance in them."""
    run = rolloutctl("certify", world.playbook("Bad"), "--runs", "8", "--jobs", "1")

    assert run.exit_code == 0, run.out + run.err


def test_backtest_reads_alerts_from_a_recording_or_takes_them_for_quiet(rolloutctl, world, folder):
    """Under the alert's own text as metric: 0 quiet, 1 pending, 2 firing."""
    rows = [f"2026-03-01T{hour:02}:{minute:02}:00Z" for hour in (12, 13) for minute in range(60)]
    name = world.playbook("Bad")
    (folder / "other.csv").write_text("time,metric,value\n" + "".join(f"{r},x,1\n" for r in rows))
    fires = [f"{row},Bad,{2 if row > '2026-03-01T13:10' else 0}\n" for row in rows]
    (folder / "bad.csv").write_text("time,metric,value\n" + "".join(fires))

    unknown = rolloutctl("backtest", name, "--csv", "other.csv")
    known = rolloutctl("backtest", name, "--csv", "bad.csv", "--output", "json")

    assert unknown.exit_code == 0
    assert "gate pages: Bad is not recorded; it is taken for 0" in " ".join(unknown.err.split())
    assert "firing: Bad" in known.out


def test_backtest_of_an_alertmanager_says_what_to_state(rolloutctl, world, folder):
    """It keeps no history; what it is to answer can be stated."""
    path = folder / world.playbook("Bad")
    kind = "prometheus: {kind: alertmanager, watchdog: Watchdog,"
    path.write_text(path.read_text().replace("prometheus: {", kind))

    refused = rolloutctl("backtest", "alerts.yaml", "--from", "2h")
    stated = rolloutctl("backtest", "alerts.yaml", "--from", "2h", "--answer", "pages=0")

    assert (refused.exit_code, stated.exit_code) == (3, 0)
    assert "--answer GATE=0" in refused.err


RULE = """
gates:
  slow:
    kind: threshold
    source: prometheus
    rule: {file: rules.yml, alert: Slow}
steps:
  - {canary: 5%, hold: 10m, gates: [slow]}
  - {canary: 100%, hold: 10m, gates: [slow]}
"""


@pytest.fixture
def ruled(folder):
    """A playbook with a gate on a rule file."""
    head = (folder / "good.yaml").read_text().partition("\ngates:")[0]
    (folder / "ruled.yaml").write_text(head + RULE)
    groups = "groups: [{name: g, rules: [{alert: Slow, expr: 'p99 > 2', for: 1m}]}]\n"
    (folder / "rules.yml").write_text(groups)
    return "ruled.yaml"


def test_a_rule_is_rehearsed_as_one_that_does_not_hold(rolloutctl, ruled):
    """Planted, it takes the rollout back once its `for` is over; certify and sweeps read it too."""
    quiet = rolloutctl("simulate", ruled)
    loud = rolloutctl("simulate", ruled, "--fault", "slow=1 at 5% after 2m")
    certified = rolloutctl("certify", ruled, "--runs", "8", "--jobs", "1")

    assert (quiet.exit_code, loud.exit_code, certified.exit_code) == (0, 10, 0)
    assert "gate slow asks an expression" in " ".join(quiet.err.split())
    assert "alert Slow holds for 1 series, for 1m" in " ".join(loud.out.split())


def test_a_recording_tells_when_a_rule_would_have_held(rolloutctl, ruled, folder):
    """Under its expression as metric: how many series it returned."""
    rows = [f"2026-03-01T{hour:02}:{minute:02}:00Z" for hour in (12, 13) for minute in range(60)]
    held = [f"{row},p99 > 2,{int(row > '2026-03-01T13:10')}\n" for row in rows]
    (folder / "held.csv").write_text("time,metric,value\n" + "".join(held))

    run = rolloutctl("backtest", ruled, "--csv", "held.csv")

    assert "alert Slow holds for 1 series" in " ".join(run.out.split())


def test_a_changed_rule_file_changes_the_plan_and_not_what_runs(rolloutctl, ruled, folder, world):
    """The journal has the expression; nobody reads the file again."""
    world.load()
    started = rolloutctl("start", ruled, "--auto", "--detach", "--id", "r-1")
    (folder / "rules.yml").unlink()

    assert started.exit_code == 0, started.err
    assert rolloutctl("status", "r-1").exit_code == 0
    assert rolloutctl("tick").exit_code == 0
    assert rolloutctl("lint", ruled).exit_code == 3
