"""A commented playbook for a strategy and a provider; pure.

Lines that must be changed by whoever begins carry CHANGE. The text is linted before anybody
gets it, and for every combination by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rolloutctl.cli.starter.scalar import scalar
from rolloutctl.cli.starter.strategies import TRAITS, Strategy


class Source(StrEnum):
    """Where the numbers come from."""

    PROMETHEUS = "prometheus"
    OPENMETRICS = "openmetrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the playbook is for; texts as somebody typed them.

    Attributes:
        flag: the flag's key; the Service or HTTPRoute of a cluster.
        place: the flagd file's path, the server's URL, or the cluster's context.
        metrics: the source's URL.
    """

    strategy: Strategy
    provider: str
    name: str
    flag: str
    control: str
    canary: str
    place: str
    source: Source
    metrics: str


#: By provider: what its place is by default.
PLACES = {
    "flagd-file": "/etc/flagd/flags.json",
    "unleash": "https://unleash.example.com",
    "launchdarkly": "https://app.launchdarkly.com",
    "kubernetes": "prod",
}
KUBERNETES = "kubernetes"
#: By source: its URL by default.
METRICS = {
    Source.PROMETHEUS: "http://127.0.0.1:9090",
    Source.OPENMETRICS: "http://127.0.0.1:8080/metrics",
}
_TOKENS = {
    "unleash": (
        "#   export UNLEASH_ADMIN_TOKEN=…          an admin API token or a personal access token",
        "#   export UNLEASH_CLIENT_TOKEN=…         a backend token, for verify only",
    ),
    "launchdarkly": (
        "#   export LAUNCHDARKLY_API_TOKEN=…       an API access token with a writer's role",
        "#   export LAUNCHDARKLY_SDK_KEY=…         of the environment, for verify only",
    ),
}
_MIRRORS = "a boolean flag that mirrors"
_SHADOWED = frozenset({Strategy.SHADOW_CANARY})


def playbook_text(choices: Choices) -> str:
    """The whole file."""
    blocks = (
        _head(choices),
        _inputs(choices),
        _target(choices),
        _source(choices),
        _DEFAULTS,
        _gates(choices),
        _steps(choices),
    )
    return "\n".join(blocks)


def _head(choices: Choices) -> str:
    lines = [
        f"# {choices.strategy}: {TRAITS[choices.strategy].summary}.",
        "# Lines that you must look at are marked with CHANGE.",
        "#",
        *_TOKENS.get(choices.provider, ()),
        "#   rolloutctl lint FILE      is it right?",
        "#   rolloutctl plan FILE      what would be written, and can the gates see anything?",
        "#   rolloutctl start FILE     run it; it asks before it begins",
        "apiVersion: rolloutctl/v1",
        "kind: Playbook",
        f"name: {scalar(choices.name)}",
        "owner: team                                 # CHANGE: who is asked about it",
        "",
    ]
    return "\n".join(lines)


def _inputs(choices: Choices) -> str:
    """Values that differ from run to run: `--input place=…`."""
    named = {"flagd-file": "flags", KUBERNETES: "context"}.get(choices.provider, "server")
    lines = ["inputs:", f"  {named}: {{default: {scalar(choices.place)}}}"]
    if choices.provider == KUBERNETES:
        lines.append("  namespace: {default: default}               # CHANGE")
    elif choices.provider != "flagd-file":
        lines.append("  environment: {default: production}         # CHANGE")
    lines += [f"  metrics: {{default: {scalar(choices.metrics)}}}", ""]
    return "\n".join(lines)


def _target(choices: Choices) -> str:
    where = {
        "flagd-file": ["    file: ${inputs.flags}"],
        "unleash": [
            "    url: ${inputs.server}",
            "    project: default                         # CHANGE",
            "    environment: ${inputs.environment}",
        ],
        "launchdarkly": [
            "    url: ${inputs.server}",
            "    project: default                         # CHANGE",
            "    environment: ${inputs.environment}",
        ],
        KUBERNETES: [
            "    context: ${inputs.context}               # CHANGE: kubectl config get-contexts",
            "    namespace: ${inputs.namespace}",
            *_strategy_lines(choices),
        ],
    }[choices.provider]
    if choices.provider != KUBERNETES:
        where += [
            f"    flag: {scalar(choices.flag)}",
            "    unit: user                               # whoever has an arm keeps it",
        ]
    control, canary = scalar(choices.control), scalar(choices.canary)
    lines = [
        "# What is changed. Control is what is served today; the canary is what is tried.",
        "targets:",
        "  app:",
        f"    provider: {choices.provider}",
        *where,
        "    # The labels are those that your metrics know the two versions by.    CHANGE",
        f"    control: {{is: {control}, labels: {{version: {control}}}}}",
        f"    canary: {{is: {canary}, labels: {{version: {canary}}}}}",
    ]
    if choices.strategy in _SHADOWED:
        shadow = scalar(f"{choices.flag}-shadow")
        what = "the Service that gets copies" if choices.provider == KUBERNETES else _MIRRORS
        lines.append(f"    shadow: {{flag: {shadow}}}     # CHANGE: {what}")
    return "\n".join([*lines, ""])


def _strategy_lines(choices: Choices) -> list[str]:
    """What of a cluster is written, and what its two sides are."""
    if choices.strategy is Strategy.BLUE_GREEN:
        return [
            "    strategy: service-switch                 # one patch of a Service's selector",
            f"    name: {scalar(choices.flag)}",
            "    label: version                           # CHANGE: the arms are values of it",
        ]
    return [
        "    strategy: gateway                        # weights of an HTTPRoute; or istio",
        f"    name: {scalar(choices.flag)}             # CHANGE: the arms are Services behind it",
    ]


def _source(choices: Choices) -> str:
    text = f'sources:\n  {choices.source}: {{url: "${{inputs.metrics}}"}}\n'
    if choices.provider == KUBERNETES:
        text += (
            '  cluster: {kind: kubernetes, context: "${inputs.context}",'
            ' namespace: "${inputs.namespace}"}\n'
        )
    return text


_DEFAULTS = """\
# What silence means is never guessed: it waits here, and is never a pass.
defaults:
  interval: 30s
  warm_up: 2m                                # after each change, before anything is judged
  on_no_data: wait                           # wait | pause | fail
  on_error: wait
  on_inconclusive: wait
"""

_COMPARED = """\
  # Canary against control, of the same moment. docs/statistics.md
  errors:                                    # failed requests           CHANGE: your metrics
    kind: compare
    source: @SOURCE@
    bad: 'http_requests_total{version="${arm.labels.version}",status=~"5.."}'
    total: 'http_requests_total{version="${arm.labels.version}"}'
    margin: 1.25x                            # a quarter more than control's is accepted
    min_sample: 200                          # canary requests that a pass needs in each step
  latency:                                   # requests slower than a bucket's bound
    kind: latency
    source: @SOURCE@
    histogram: 'http_request_duration_seconds_bucket{version="${arm.labels.version}"}'
    above: [250ms, 1s]                       # CHANGE: bounds (le) that your histogram has
    margin: 1.25x
    min_sample: 200
"""

_LIMIT = """\
  # A hard limit, whatever control does: at 100 % there is no control left.
  limit:                                     # failed requests           CHANGE: your metrics
    kind: threshold
    source: @SOURCE@
    bad: 'http_requests_total{version="${canary.labels.version}",status=~"5.."}'
    total: 'http_requests_total{version="${canary.labels.version}"}'
    window: 10m
    fail: "> 5%"
    min_sample: 200                          # fewer requests say nothing
"""

_READY = """\
  ready:                                     # pods are up before anybody is sent there
    kind: k8s-ready
    source: cluster
    deployment: {}                           # CHANGE: the canary's Deployment
"""

_GUARDED = """
# Judged all the time, also while a step waits for a person. A failure rolls back.
guardrails: [limit]
"""


def _gates(choices: Choices) -> str:
    is_compared = choices.strategy in {
        Strategy.CANARY,
        Strategy.SHADOW_CANARY,
        Strategy.BLUE_GREEN_CANARY,
    }
    is_switch = choices.strategy is Strategy.BLUE_GREEN
    deployment = f"{choices.flag}-{choices.canary}" if is_switch else choices.canary
    ready = _READY.format(scalar(deployment)) if choices.provider == KUBERNETES else ""
    text = "gates:\n" + (_COMPARED if is_compared else "") + _LIMIT + ready + _GUARDED
    return text.replace("@SOURCE@", choices.source)


_STEPS = {
    Strategy.CANARY: """\
  - {canary: 5%, hold: 30m, gates: [errors, latency]}
  - canary: 25%
    hold: 2h
    gates: [errors, latency]
    confirm: true                            # rolloutctl approve
  - {canary: 50%, hold: 2h, gates: [errors, latency]}
  - {canary: 100%, hold: 30m, gates: [limit]}
""",
    Strategy.SHADOW_CANARY: """\
  - {shadow: 10%, hold: 1h, gates: [errors, latency]}     # answered twice, seen once
  - {canary: 5%, hold: 30m, gates: [errors, latency]}
  - canary: 25%
    hold: 2h
    gates: [errors, latency]
    confirm: true                            # rolloutctl approve
  - {canary: 50%, hold: 2h, gates: [errors, latency]}
  - {canary: 100%, hold: 30m, gates: [limit]}
""",
    Strategy.AB_TEST: """\
  - experiment:
      arms: {control: 50%, canary: 50%}
      source: @SOURCE@
      metric:                                # CHANGE: units, not requests; each counts once
        success: 'users_converted_total{version="${arm.labels.version}"}'
        total: 'users_total{version="${arm.labels.version}"}'
      want: increase
      # CHANGE: rolloutctl abtest size --baseline 40% --effect +5pp --traffic 3/s
      test: {baseline: 40%, effect: +5pp, alpha: 5%, power: 80%}
      decide: {better: ship, worse: rollback, inconclusive: pause}
    hold: 7d                                 # whole weeks, however soon the units are there
  - {canary: 100%, hold: 1h, gates: [limit]}
""",
    Strategy.BLUE_GREEN: """\
  - canary: 100%                             # everybody at once, one write
    hold: 15m
    gates: [limit]
""",
    Strategy.BLUE_GREEN_CANARY: """\
  - {canary: 5%, hold: 15m, gates: [errors, latency]}
  - canary: 100%                             # everybody at once; one write back
    hold: 15m
    gates: [limit]
    before: [errors, latency]                # once more, right before the switch
""",
}
_SWITCH = """\
  - switch: canary                           # everybody at once, one write
    before: [ready]
    hold: 15m
    gates: [ready, limit]
"""
_DEADLINES = {Strategy.AB_TEST: "28d", Strategy.BLUE_GREEN: "2h", Strategy.BLUE_GREEN_CANARY: "6h"}


def _steps(choices: Choices) -> str:
    steps = _STEPS[choices.strategy].replace("@SOURCE@", choices.source)
    if choices.provider == KUBERNETES and choices.strategy is Strategy.BLUE_GREEN:
        steps = _SWITCH
    elif choices.provider == KUBERNETES:
        first, rest = steps.split("hold:", 1)
        steps = f"{first}before: [ready], hold:{rest}"
    return (
        "# Each step states the whole exposure it wants. It is left when its hold is over and its\n"
        "# gates have passed and, with `confirm`, somebody has approved.\n"
        f"steps:\n{steps}\n"
        "on_fail: rollback                            # rollback | pause\n"
        f"limits: {{deadline: {_DEADLINES.get(choices.strategy, '2d')}}}\n"
    )
