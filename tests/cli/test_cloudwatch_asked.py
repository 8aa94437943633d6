"""`lint`, `plan`, `doctor` and `start` of a playbook whose gates ask CloudWatch."""

import json
from datetime import timedelta

import pytest

from servers.fake_cloudwatch import CREDENTIALS, FakeCloudWatch

CANARY = "claude-3-5-sonnet"
GATES = """
sources:
  aws:
    kind: cloudwatch
    region: eu-west-1
    namespace: Shop
    endpoint: {url}
    zero_where: {{Errors: Requests}}

defaults: {{on_no_data: wait, on_error: wait, on_inconclusive: wait, warm_up: 3m, interval: 1m}}

gates:
  errors:
    kind: threshold
    source: aws
    bad: 'Errors{{Model="${{canary.labels.model}}"}}'
    total: 'Requests{{Model="${{canary.labels.model}}"}}'
    window: 10m
    fail: "> 5%"
  pages: {{kind: alarms, source: aws, alarms: [{alarms}]}}

guardrails: [errors, pages]

limits: {{deadline: 1h}}

steps:
  - {{canary: 5%, hold: 20m, gates: [errors, pages]}}
  - {{canary: 100%, hold: 20m, gates: [errors, pages]}}
"""


@pytest.fixture
def world(folder, clock, monkeypatch):
    """A CloudWatch with a healthy canary that reports every minute, and one quiet alarm."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    server = FakeCloudWatch()
    server.alarm("chat-errors", Period=60, EvaluationPeriods=3)

    class World:
        aws, share, is_silent = server, 0.0, False
        begun, told = clock.now(), clock.now() - timedelta(minutes=15)

        def playbook(self, alarms="chat-errors"):
            head = (folder / "good.yaml").read_text().partition("\nsources:")[0]
            head = head.replace("    shadow: {flag: llm-shadow, labels: {mode: shadow}}\n", "")
            text = head + GATES.format(url=server.url, alarms=alarms)
            (folder / "aws.yaml").write_text(text)
            return "aws.yaml"

        def canary_bp(self):
            flag = json.loads((folder / "flags.json").read_text())["flags"]["llm-model"]
            shares = flag.get("targeting", {}).get("fractional")
            if shares is None:
                return 10_000 if flag["defaultVariant"] == CANARY else 0
            return {one[0]: one[1] for one in shares if isinstance(one[0], str)}[CANARY]

        def report(self, now):
            while self.told + timedelta(minutes=1) <= now:
                self.told += timedelta(minutes=1)
                if self.is_silent:
                    continue
                server.put("Requests", self.told, 100, Model="claude")
                if self.share:
                    server.put("Errors", self.told, 100 * self.share, Model="claude")

    world = World()
    world.report(clock.now())
    clock.hooks.append(world.report)
    yield world
    server.close()
    assert not server.violations


def one_line(text):
    return " ".join(text.split())


def test_lint_refuses_what_cloudwatch_can_never_answer(rolloutctl, world, folder):
    """A histogram, a pattern, and PromQL, each with what to write instead."""
    path = folder / world.playbook()
    text = path.read_text()
    assert rolloutctl("lint", "aws.yaml").exit_code == 0

    path.write_text(text.replace('Errors{Model="', 'Errors{Model=~".*", M="'))
    pattern = rolloutctl("lint", "aws.yaml")
    begin = text.index("    bad:")
    query = text[:begin] + "    query: 'rate(x[5m])'\n" + text[text.index('    fail: "') :]
    path.write_text(query)
    promql = rolloutctl("lint", "aws.yaml")
    path.write_text(
        query.replace(
            "query: 'rate(x[5m])'", "histogram: x_bucket\n    quantile: 99%\n    window: 5m"
        )
    )
    histogram = rolloutctl("lint", "aws.yaml")

    assert "has no patterns" in one_line(pattern.out)
    assert "'rate' is no statistic of CloudWatch" in one_line(promql.out)
    assert "CloudWatch keeps no histograms" in one_line(histogram.out)
    assert {pattern.exit_code, promql.exit_code, histogram.exit_code} == {3}


@pytest.mark.parametrize("command", [("plan",), ("start", "--auto")])
def test_an_alarm_that_is_not_there_is_refused_with_the_nearest(rolloutctl, world, command):
    """Before anything is written."""
    run = rolloutctl(command[0], world.playbook("chat-eror"), *command[1:])

    said = one_line(run.out + run.err)
    assert run.exit_code == 3
    assert "gate pages: there is no alarm chat-eror in eu-west-1" in said
    assert "nearest: chat-errors" in said


def test_a_plan_warns_of_alarms_that_would_not_pass_and_of_muted_ones(rolloutctl, world):
    """AppConfig itself would roll back on them."""
    world.aws.alarm("chat-errors", "ALARM", ActionsEnabled=False)

    run = rolloutctl("plan", world.playbook())

    said = one_line(run.out)
    assert run.exit_code == 0, run.err
    assert "alarm chat-errors is in ALARM since 2027-01-01T11:30:00+00:00" in said
    assert "has its actions disabled" in said


def test_a_plan_says_who_may_not_do_what(rolloutctl, world):
    """AWS names the principal; the hint names the action."""
    world.aws.fault = "forbidden"

    run = rolloutctl("plan", world.playbook())

    said = one_line(run.out + run.err)
    assert run.exit_code == 4
    assert "arn:aws:iam::123456789012:user/ci is not authorized" in said
    assert "allow cloudwatch:GetMetricData" in said


def test_a_plan_says_that_alarms_may_not_be_read(rolloutctl, world):
    """Metrics may: the action is named, and nothing was written."""
    world.aws.fault, world.aws.fault_on = "forbidden", {"DescribeAlarms"}

    run = rolloutctl("plan", world.playbook())

    said = one_line(run.out + run.err)
    assert run.exit_code == 4
    assert "AWS cloudwatch:DescribeAlarms in eu-west-1: AccessDenied" in said
    assert "allow cloudwatch:DescribeAlarms" in said


def test_a_plan_names_the_metric_that_was_misspelt(rolloutctl, world, folder):
    """With the one that was probably meant."""
    path = folder / world.playbook()
    path.write_text(path.read_text().replace("total: 'Requests{", "total: 'Requsts{"))

    said = one_line(rolloutctl("plan", "aws.yaml").out)

    assert "source aws has no metric Requsts" in said
    assert "did you mean Requests?" in said


def test_a_healthy_canary_is_promoted(rolloutctl, world):
    """Over both steps, with no error reported at all: Requests prove the zero."""
    run = rolloutctl("start", world.playbook(), "--auto")

    assert run.exit_code == 0, run.out + run.err
    assert world.canary_bp() == 10_000


@pytest.mark.parametrize("alarms", ["chat-errors", '"chat-*"'])
def test_simulate_takes_alarms_for_ok_and_a_planted_one_takes_back(rolloutctl, world, alarms):
    """They cannot be modelled, and it says so."""
    name = world.playbook(alarms)

    quiet = rolloutctl("simulate", name)
    loud = rolloutctl("simulate", name, "--fault", "pages=2 at 5% after 2m")

    assert quiet.exit_code == 0, quiet.out + quiet.err
    assert "gate pages asks for alarms, which cannot be modelled" in one_line(quiet.err)
    assert loud.exit_code == 10


def test_bad_data_takes_the_rollout_back(rolloutctl, world):
    """Half of the canary's requests fail."""
    world.share = 0.5

    run = rolloutctl("start", world.playbook(), "--auto")

    assert run.exit_code == 10, run.out + run.err
    assert "gate errors" in one_line(run.out + run.err)
    assert world.canary_bp() == 0


def test_an_alarm_takes_the_rollout_back_with_its_reason(rolloutctl, world, clock):
    """Whatever the counters say."""

    def ring(now):
        if now - world.begun > timedelta(minutes=8):
            world.aws.alarm("chat-errors", "ALARM", StateReason="7 > 5 for 3 minutes")

    clock.hooks.append(ring)

    run = rolloutctl("start", world.playbook(), "--auto")

    assert run.exit_code == 10, run.out + run.err
    assert "7 > 5 for 3 minutes" in one_line(run.out + run.err)


@pytest.mark.parametrize("what", ["silent", "PartialData", "InternalError", "Forbidden"])
def test_no_data_is_waited_for_and_never_passes(rolloutctl, world, clock, what):
    """Until the deadline; the canary never gets beyond its first step."""
    if what == "silent":
        world.is_silent = True
        world.aws.values.clear()
    else:
        world.aws.status = {"Requests": what}
    weights = set()
    clock.hooks.append(lambda _: weights.add(world.canary_bp()))

    run = rolloutctl("start", world.playbook(), "--auto")

    assert run.exit_code == 12, run.out + run.err
    assert weights == {500}


@pytest.mark.parametrize("fault", ["forbidden", "expired", "throttled", "broken", "drop"])
def test_a_cloudwatch_that_refuses_in_mid_rollout_holds_the_weight(rolloutctl, world, clock, fault):
    """It neither passes nor ends the driver; when it answers again the rollout goes on."""
    weights = set()

    def break_down(now):
        since = now - world.begun
        is_down = timedelta(minutes=5) < since < timedelta(minutes=30)
        world.aws.fault = fault if is_down else None
        if since < timedelta(minutes=30):
            weights.add(world.canary_bp())

    clock.hooks.append(break_down)

    run = rolloutctl("start", world.playbook(), "--auto")

    assert weights == {500}
    assert (run.exit_code, world.canary_bp()) == (0, 10_000), run.out + run.err
