"""The playbook language: what a right one means, and where a wrong one is wrong."""

from __future__ import annotations

import json

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.arm_names import arm_names
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.parse import parse_document
from rolloutctl.core.playbook import OnDrift, OnFail, OnInconclusive, OnSilence
from rolloutctl.core.secret import SecretRef
from rolloutctl.errors import InvalidPlaybook
from toy_language import ENV, GOOD, INPUTS, ToyCatalog

CATALOG = ToyCatalog()


@pytest.fixture
def load(tmp_path):
    def loaded(text=GOOD, *, inputs=INPUTS, env=ENV):
        path = tmp_path / "playbook.yaml"
        path.write_text(text)
        return playbook_file.load(path, inputs=inputs, env=env, catalog=CATALOG)

    return loaded


@pytest.fixture
def problems(tmp_path):
    def found(text, *, inputs=INPUTS, env=ENV):
        path = tmp_path / "playbook.yaml"
        path.write_text(text)
        return playbook_file.lint(path, inputs=inputs, env=env, catalog=CATALOG)

    return found


def changed(*edits):
    """GOOD with (old, new) texts exchanged; each old text must be there."""
    text = GOOD
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def test_a_right_playbook_has_neither_errors_nor_warnings(problems):
    """The sample is used by every test below."""
    assert problems(GOOD) == ()


def test_arms_keep_their_source_text(load):
    """`off`, `0.10` and `yes` are names, not booleans or numbers."""
    target = load().targets["llm"]

    assert (target.control.value, target.canary.value) == ("off", "0.10")
    assert target.canary.labels == {"model": "0.10", "zone": "yes"}


def test_units_and_closed_sets_are_decoded(load):
    """Every section arrives in the playbook's own types."""
    playbook = load()

    assert playbook.limits.deadline_s == 3 * 86400
    assert playbook.on_fail is OnFail.PAUSE
    assert playbook.on_drift is OnDrift.ABORT
    assert [step.kind for step in playbook.steps] == [
        *("shadow", "canary", "wait", "run", "notify", "canary")
    ]
    assert [step.name for step in playbook.steps][:3] == ["shadow 10%", "first people", "wait 10m"]
    first = playbook.steps[1]
    assert (first.spec.canary, first.hold_s, first.confirm) == (500, 86400.0, True)
    assert first.spec.include == (
        Condition(attribute="tier", values=("gold", "5", 5, 0.5)),
        Condition(attribute="user.beta", values=(True,)),
    )


def test_a_gate_takes_its_own_limits_then_the_defaults_then_the_stated_ones(load):
    """Nothing else is ever guessed."""
    floor, sure = load().gates["floor"].limits, load().gates["sure"].limits

    assert (floor.on_no_data, floor.on_error) == (OnSilence.FAIL, OnSilence.PAUSE)
    assert floor.on_inconclusive is OnInconclusive.EXTEND_ONCE
    assert (floor.warm_up_s, floor.interval_s, floor.failure_limit) == (180.0, 10.0, 0)
    assert (floor.on_fail, sure.on_fail) == (OnFail.PAUSE, OnFail.PAUSE)
    assert (sure.min_sample, sure.observe_only) == (1.5, True)


def test_secrets_stay_references_everywhere(load):
    """The journal's document holds the place of a secret, never the secret."""
    playbook = load()
    spec = playbook.sources["metrics"].spec

    assert spec.token == SecretRef(env="TOKEN")
    assert spec.headers == {"X-Scope": "5", "X-Key": SecretRef(file="/run/key")}
    assert "planted-secret" not in playbook.document
    assert "${env.TOKEN}" in playbook.document
    assert spec.url == "https://metrics.example/prometheus"
    assert playbook.notifiers["hook"].spec.url == SecretRef(env="HOOK")


def test_the_canonical_document_gives_the_same_playbook(load):
    """After the start the YAML file is never read again."""
    playbook = load()

    again = parse_document(playbook.document, CATALOG)

    assert again == playbook
    assert "inputs" not in json.loads(playbook.document)


def test_inputs_change_the_hash_and_comments_do_not(load):
    """The hash is of what will be done, not of how it was typed."""
    plain, other = load(), load(inputs={**INPUTS, "first": "10%"})
    commented = load("# a comment\n" + GOOD.replace("owner: team-agent", 'owner: "team-agent"'))

    assert plain.sha256 != other.sha256
    assert other.steps[1].spec.canary == 1000
    assert commented.sha256 == plain.sha256


def test_a_step_with_shadow_and_canary_is_a_canary_step(load):
    """The kind whose keys include the other's wins."""
    playbook = load(changed(("- {canary: 100%,", "- {shadow: 1%, canary: 100%,")))

    assert playbook.steps[-1].kind == "canary"
    assert playbook.steps[-1].spec.shadow == 100


def test_unnamed_steps_get_names_that_differ(load):
    """Two equal steps are told apart on screens."""
    playbook = load(changed(("- {wait: 10m}", "- {wait: 10m}\n  - {wait: 10m}")))

    assert [step.name for step in playbook.steps][2:4] == ["wait 10m", "wait 10m (step 4)"]


@pytest.mark.parametrize(
    "document",
    ["", "[]", "[" * 100_000, '{"name": 5}', '{"name": "x"}', "{", '"\\""'],
)
def test_a_damaged_document_is_an_error_not_a_traceback(document):
    """The journal's document is read by the same rules."""
    with pytest.raises(InvalidPlaybook):
        parse_document(document, CATALOG)


#: Where the keys of the gate `mirror` begin.
MIRROR_KEYS = "kind: threshold\n    source: metrics\n    query: up{mode="

#: (old text, new text, marker of the position, part of the message, part of the fix)
WRONG = [
    ("kind: Playbook", "kind: Playbok", "Playbok", "is not one of", "Playbook?"),
    ("apiVersion: rolloutctl/v1\n", "", "kind: Play", "apiVersion is missing", "add apiVersion"),
    ("owner: team", "ownr: team", "ownr", "unknown key 'ownr'", "did you mean owner?"),
    ("name: model-swap", "name: model swap", "model swap", "cannot be a name", "letters"),
    ("name: model-swap", "name: [a]", "[a]", "name: is a list", "a text"),
    ("name: model-swap", "name:", "\ndescription", "name: has no value", "a text"),
    ("host: {}", "host: {defalt: x}", "defalt", "unknown key", "default?"),
    ("host: {}", "host: {}\n  other: {}", "other", "no value is given", "--input other=VALUE"),
    ("default: 5%", "default: 7%", "7%", "is not one of: 5%, 10%", "choose"),
    ("host: {}", "host: 5", "5\ntargets", "is one value", "keys and values"),
    ("provider: toy", "provider: tpy", "tpy", "unknown provider 'tpy'", "toy?"),
    ("provider: toy", "provider: []", "[]", "is a list", ""),
    ("    provider: toy\n", "", "llm:", "provider is missing", "coarse, toy"),
    ("flag: llm-model", "size: 1", "llm:", "flag is missing", "add flag"),
    ("flag: llm-model", "flag: a\n    flg: b", "flg", "unknown key 'flg'", "flag?"),
    ("control: off", "control: [off]", "[off]", "is a list", "a name or keys and values"),
    ("control: off", "control:", "\n    canary", "has no value", "a name"),
    ("control: off", 'control: ""', '""', "is empty", "a name"),
    ("control: off", "control: 0.10", "{is: 0.10", "are both '0.10'", "two different"),
    ("  llm:\n", "  labels:\n", "labels:", "cannot name a target", "another name"),
    ("metrics:\n", "metrix:\n", "metrix", "kind is missing", "counters, metrics"),
    ('url: "https://${', 'url: "https://u:p@${', '"https://u', "user name or password", ""),
    ("${inputs.host}", "${inputs.hst}", '"https', "unknown reference ${inputs.hst}", "inputs.host"),
    ("${env.PLACE}", "${env.UNSET}", '"https', "UNSET is not set", "export UNSET"),
    ("${env.PLACE}", "${canary.is}", '"https', "unknown reference", "of a gate only"),
    ("token: ${env.TOKEN}", "token: abc", "abc", "never written in a playbook", "${env.NAME}"),
    ("token: ${env.TOKEN}", "token: [abc]", "[abc]", "never written in a playbook", "{file: PATH}"),
    ("token: ${env.TOKEN}", "token: {file: [a]}", "[a]", "is a list", "a text"),
    ('X-Scope: "5"', 'X-Scope: "B ${env.T}"', '"B', "never written", "${env.NAME}"),
    ('X-Scope: "5"', "X-Scope: [a]", "[a]", "is a list", "a text or keys and values"),
    ('X-Scope: "5"', '"${inputs.first}": a', '"${inputs.f', "a key cannot hold", ""),
    ("on_no_data: wait,", "on_no_data: pass,", "pass,", "is not one of: wait, pause, fail", ""),
    ("interval: 10s", "interval: 10", "10}", "bare number", "write 10s"),
    ("interval: 10s", "interval: 10ms", "10ms", "below 100ms", "at least"),
    ("interval: 10s", "consecutive_successes: 0", "0}", "below 1", ""),
    ("interval: 10s", "failure_limit: 1.5", "1.5", "not a whole number", "such as 3"),
    ("interval: 10s", 'failure_limit: "1"', '"1"', "is a text", "without quotes"),
    ("interval: 10s", "min_sample: 1e999", "1e999", "too large", "finite"),
    ("for: 10m", "min_sample: 2e2", "2e2", "min_sample needs a count of events", "bad/total"),
    (
        "on_error: pause, on_inc",
        "on_inc",
        "floor:",
        "what they lead to is not declared: on_error",
        "on_error: wait to defaults",
    ),
    ("kind: threshold", "kind: treshold", "treshold", "unknown gate kind", "threshold?"),
    ("kind: threshold", "kind: gone", "gone", "is not installed", "install it"),
    ("    source: metrics\n", "", "floor:", "source is missing", "metrics"),
    ("source: metrics", "source: metric", "metric\n", "unknown source 'metric'", "metrics?"),
    ("source: metrics", "source: metrics\n    target: lm", "lm\n", "unknown target", "llm?"),
    ('fail: "< 1"', "for: 1m", MIRROR_KEYS, "no condition", "fail:"),
    ('fail: "< 0.95"', "fail: below 1", "below 1", "", ""),
    ("${canary.labels.model}", "${canary.labels.modl}", "up{model", "unknown ref", "labels.model}"),
    ("${canary.labels.model}", "${arm.labels.model}", "up{model", "arm", "canary"),
    ("${canary.labels.model}", "${canary.labels.mode}", "up{model", "unknown ref", "known: "),
    ("{kind: sure,", '{kind: sure, note: "${canary.is}",', '"${can', "cannot be used", "ask"),
    ("{kind: sure,", '{kind: sure, more: ["${canary.is}"],', '"${can', "cannot be used", "ask"),
    ("{kind: sure,", '{kind: sure, ask: "${arm.is}",', '"${arm', "unknown ref", "${canary.is}?"),
    ("{kind: sure,", '{kind: sure, ask: "${zzz}",', '"${zzz', "unknown ref", "env.NAME"),
    ("observe_only: true", "observe_only: yes", "yes", "not true or false", "true or false"),
    ("observe_only: true", 'observe_only: "true"', '"true"', "not true", "without quotes"),
    ("guardrails: [floor]", "guardrails: [flor]", "flor]", "unknown gate 'flor'", "floor?"),
    ("guardrails: [floor]", "guardrails: [floor, floor]", "floor]", "named twice", "remove"),
    ("guardrails: [floor]", "guardrails: floor", "floor\nno", "is one value", "[floor]"),
    ("kind: hook", "kind: hok", "hok", "unknown notifier kind", "hook?"),
    ("gates: [mirror]", "gates: [miror]", "miror]", "unknown gate", "mirror?"),
    ("{wait: 10m}", "{wiat: 10m}", "wiat", "unknown key", "wait?"),
    ("{wait: 10m}", "{hold: 10m}", "{hold: 10m}", "no key says", "canary"),
    ("{wait: 10m}", "{}", "{}", "no key says", "canary"),
    ("{wait: 10m}", "wait", "wait\n", "a step needs keys", "canary: 5%"),
    ("{wait: 10m}", "{wait: 10m, notify: a}", "notify: a", "cannot be both", "two steps"),
    ("{wait: 10m}", "{wait: 10m, hold: 1h}", "1h}", "wait is the hold", "remove"),
    ("{wait: 10m}", "{wait: 10m, hold: x}", "x}", "a duration is", "90s"),
    ("{wait: 10m}", "{wait: 10m, target: lm}", "lm}", "unknown target 'lm'", "llm?"),
    ("{wait: 10m}", "{wait: 10m, targets: []}", "[]", "the list is empty", "llm"),
    ("{wait: 10m}", "{wait: 1m, target: llm, targets: [llm]}", "targets: [", "both", "keep one"),
    ("{wait: 10m}", "{wait: 1m, name: first people}", "first people}", "named 'first", "own"),
    ("{wait: 10m}", "{notify: {to: [hok], message: a}}", "{to:", "unknown notifier", "hook?"),
    ("{user.beta: true,", "{user.beta: null,", "null", "not a value", "quotes"),
    ('{user.beta: true, tier: [gold, "5", 5, 0.5]}', "{}", "{}", "is keys", "{attribute: value}"),
    ("{user.beta: true,", "{user.beta: {a: b},", "{a: b}", "is keys and", "a list"),
    ("{user.beta: true,", "{user.beta: [],", "[],", "is a list", ""),
    ("{user.beta: true,", "{user.beta: [[a]],", "[a]", "is a list", ""),
    ("{user.beta: true,", '{user.beta: "${inputs.no}",', '"${inputs.no', "unknown ref", "first"),
    ("gold, ", "0x1F, ", "0x1F", "not a value to compare", "quotes"),
    ("canary: ${inputs.first}", "canary: 101%", "101%", "at most 100%", ""),
    (
        "canary: ${inputs.first}",
        "canary: 9999999999999999999999999999999999%",
        "999",
        "a weight",
        "",
    ),
    ("confirm: true", "confirm: maybe", "maybe", "not true or false", "true or false"),
    ("on_fail: pause\n", "on_fail: stop\n", "stop", "rollback, pause", "write one of"),
    ("deadline: 3d", "deadline: 0s", "0s", "longer than nothing", "10m"),
    ("limits: {deadline: 3d, rollback: 5m, observe: 5s}", "limits: 3d", "3d", "is one value", ""),
    ("{deadline: 3d", "{deadlin: 3d", "deadlin", "unknown key", "deadline?"),
]


@pytest.mark.parametrize(("old", "new", "marker", "message", "fix"), WRONG)
def test_each_mistake_is_told_where_it_stands(problems, old, new, marker, message, fix):
    """Line, column, what is wrong and what to write instead."""
    text = changed((old, new))
    at = GOOD.index(old) + new.index(marker) if marker in new else text.index(marker)
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1

    found = [one for one in problems(text) if message in one.message and fix in one.fix]

    assert (line, column) in [(one.line, one.column) for one in found], problems(text)


def test_ten_mistakes_are_ten_positions(problems):
    """All errors of a file are told in one run."""
    text = changed(
        ("owner:", "ownr:"),
        ("provider: toy", "provider: tpy"),
        ("${env.PLACE}", "${env.UNSET}"),
        ("interval: 10s", "interval: 10"),
        ('fail: "< 1"', "for: 1m"),
        ("guardrails: [floor]", "guardrails: [flor]"),
        ("kind: hook", "kind: hok"),
        ("{wait: 10m}", "{wait: 10}"),
        ("on_drift: abort", "on_drift: ignore"),
        ("deadline: 3d", "deadline: soon"),
    )

    errors = [one for one in problems(text) if one.severity == "error"]

    assert len({(one.line, one.column) for one in errors}) == len(errors) == 10
    assert [(one.line, one.column) for one in errors] == sorted(
        (one.line, one.column) for one in errors
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("steps: []", "at least one step"),
        ("steps: {a: b}", "at least one step"),
        ("steps: [" + "{wait: 1m}, " * 201 + "]", "at most 200"),
        ("", "steps is missing"),
    ],
)
def test_a_playbook_has_steps(problems, section, message):
    """An empty list of steps is no rollout, and a huge one a mistake."""
    head = GOOD[: GOOD.index("steps:")]

    assert any(message in one.message for one in problems(head + section))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("targets: {}", "at least one entry"),
        ("targets:", "at least one entry"),
        ("targets: [a]", "at least one entry"),
        ("targets: {a: }", "needs keys and values"),
        ("targets: {a: b}", "needs keys and values"),
        ("targets: {" + "".join(f"t{n}: , " for n in range(51)) + "}", "at most 50"),
        ("", "targets is missing"),
    ],
)
def test_a_playbook_has_targets(problems, targets, message):
    """No target, nothing to roll out."""
    start, end = GOOD.index("targets:"), GOOD.index("sources:")

    assert any(
        message in one.message for one in problems(GOOD[:start] + targets + "\n" + GOOD[end:])
    )


def test_two_targets_must_be_two_things(problems):
    """The same flag twice would be written twice, against itself."""
    twin = "  twin: {provider: toy, flag: llm-model, control: a, canary: b}\nsources:"

    found = problems(changed(("sources:", twin), ("{wait: 10m}", "{wait: 1m, targets: [llm]}")))

    assert any("twin is the same thing as targets.llm" in one.message for one in found)


def test_with_several_targets_a_reference_names_one(problems, load):
    """`${canary.is}` would be a guess; the target's name or the gate's `target` settles it."""
    second = "  b: {provider: toy, flag: other, control: a, canary: b, shadow: {flag: s}}\nsources:"
    bare = changed(("sources:", second))
    named = bare.replace("{canary.labels", "{canary.llm.labels").replace(
        "{control.is", "{control.b.is"
    )
    with_target = bare.replace("source: metrics", "source: metrics\n    target: llm")

    assert any("canary.llm.labels.model" in one.fix for one in problems(bare))
    assert problems(named) == ()
    gate = load(with_target).gates["floor"]
    assert arm_names(load(with_target), gate)["canary.is"] == "0.10"
    assert arm_names(load(with_target), gate)["canary.b.is"] == "b"


def test_shadow_labels_lie_over_the_canarys_while_it_is_only_mirrored(load):
    """Metrics of mirrored requests are found by the shadow's labels."""
    playbook = load()
    gate, mirror, serve = playbook.gates["mirror"], playbook.steps[0], playbook.steps[1]

    assert arm_names(playbook, gate, mirror)["canary.labels.mode"] == "shadow"
    assert "canary.labels.mode" not in arm_names(playbook, gate, serve)
    assert "canary.labels.mode" not in arm_names(playbook, gate)
    mirrored = {"llm": split(0, shadow_bp=100)}
    assert arm_names(playbook, gate, exposures=mirrored)["canary.llm.labels.mode"] == "shadow"
    assert "canary.labels.mode" not in arm_names(playbook, gate, mirror, exposures={})


def test_a_source_that_cannot_answer_a_gate_is_an_error(problems):
    """Counters are not expressions."""
    text = changed(("  metrics:\n", "  metrics:\n    kind: counters\n"))

    found = [one for one in problems(text) if "cannot answer an expression" in one.message]

    assert len(found) == 2
    assert found[0].fix.startswith("it answers counters (`bad` and `total`")


def test_a_source_in_error_brings_no_further_errors(problems):
    """What a source could answer is not asked of a kind that does not exist."""
    text = changed(("  metrics:\n", "  metrics:\n    kind: metrix\n"))

    assert ["unknown source kind" in one.message for one in problems(text)] == [True]


def test_a_target_of_a_step_in_error_brings_no_further_errors(problems):
    """The exposures of what is not understood are not compared."""
    text = changed(("control: off", "control: [off]"))

    assert len(problems(text)) == 1


def test_a_text_full_of_unclosed_references_is_read_at_once(problems):
    """Half a megabyte of `${` is not a way to stop the reader."""
    assert problems(changed(("query: up{model", "query: " + "${" * 250_000 + "up{model")))


def test_an_input_nobody_declared_is_an_error(problems):
    """A typing error in --input must not be ignored."""
    found = problems(GOOD, inputs={**INPUTS, "fist": "5%"})

    assert [one.fix for one in found] == ["did you mean first? (known: first, host)"]


def test_values_given_from_outside_are_checked(problems):
    """Choices hold for --input too; no value may bring further references or control bytes."""
    assert problems(GOOD, inputs={**INPUTS, "first": "6%"})[0].line == 7
    assert "itself holds" in problems(GOOD, inputs={"host": "${env.X}"})[0].message
    assert "control characters" in problems(GOOD, inputs={"host": "a\nb"})[0].message
    assert "not UTF-8" in problems(GOOD, env={**ENV, "PLACE": "a\udcff"})[0].message


def test_a_problem_never_shows_what_the_environment_holds(problems):
    """`${env.X}` in the wrong field must not print the secret."""
    text = changed(("on_fail: pause\n", "on_fail: ${env.TOKEN}\n"))

    found = problems(text)

    assert found
    assert "planted-secret" not in str(found)


def test_an_input_may_stand_in_quotes_for_a_number(load):
    """Inside {…} YAML demands the quotes, so they carry no meaning."""
    text = changed(("first: {", "limit: {default: 3}\n  first: {")).replace(
        "interval: 10s", 'failure_limit: "${inputs.limit}"'
    )

    playbook = load(text)

    assert playbook.gates["floor"].limits.failure_limit == 3
    assert parse_document(playbook.document, CATALOG) == playbook


def test_after_very_many_problems_reading_stops(problems):
    """Nobody corrects more than 200 in one go."""
    text = GOOD + "".join(f"key{number}: 1\n" for number in range(500))

    assert len(problems(text)) == 200


def test_unsafe_but_possible_playbooks_are_warned_of(problems):
    """A warning does not stop a rollout."""
    text = changed(
        ("guardrails: [floor]\n", ""),
        ("    before: [sure]\n    gates: [floor]\n", ""),
        ("hold: 1h, gates: [mirror]", "hold: 1h"),
    )

    found = problems(text)

    assert {one.severity for one in found} == {"warning"}
    messages = " ".join(one.message for one in found)
    assert "no guardrails" in messages
    assert "first people: the canary of llm is served without any gate" in messages
    assert "gates.mirror: no step uses it" in messages


def test_a_minimum_sample_by_default_is_refused_where_nothing_is_counted(problems):
    """At the gate, which can say 0; a gate that counts, or may, takes it."""
    told = problems(changed(("interval: 10s", "min_sample: 200")))
    mended = changed(
        ("interval: 10s", "min_sample: 200"),
        ("for: 10m", "min_sample: 0"),
        ('fail: "< 1"', 'fail: "< 1"\n    min_sample: 0'),
    )

    assert [one.message.partition(":")[0] for one in told] == ["gates.floor", "gates.mirror"]
    assert all("write min_sample: 0" in one.fix for one in told)
    assert problems(mended) == ()
