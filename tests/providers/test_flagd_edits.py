"""What `flagd-file` changes in a file, to the byte, and what it says of a flag."""

from __future__ import annotations

import json
import os

import pytest

from providers.flagd_files import FILE, STATES, fractional, set_flag, target_in
from rolloutctl.core.exposure import Condition, Exposure, split
from rolloutctl.core.observation import Severity
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Conflict, NotFound, Rejected, UsageError
from rolloutctl.providers.flagd_file import FlagdFile, TargetSpec

PROVIDER = FlagdFile()
SPLIT = '"targeting": {"fractional": [["gpt-4", %d], ["claude", %d]]}'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(FILE.encode())
    return path


def apply(path, exposure, *, expect=None, **target):
    return PROVIDER.apply(
        target_in(path, **target), exposure, key="k", expect=expect, timeout_s=1.0
    )


def observe(path):
    return PROVIDER.observe(target_in(path))


def refused(path, **target):
    """Messages and hints of the probe's refusals."""
    findings = PROVIDER.probe(target_in(path, **target))
    return [f"{each.message} | {each.hint}" for each in findings if each.severity == "refuse"]


def warned(path):
    findings = PROVIDER.probe(target_in(path))
    return " ".join(each.message for each in findings if each.severity is Severity.WARN)


# -- to the byte ---------------------------------------------------------------


def test_the_first_write_adds_one_line_and_touches_nothing_else(path):
    """A flag without targeting gets the shorthand, spaced as its neighbours are."""
    apply(path, split(500))

    old = '"defaultVariant": "gpt-4"\n    },'
    new = f'"defaultVariant": "gpt-4",\n      {SPLIT % (9500, 500)}\n    }},'
    assert path.read_text() == FILE.replace(old, new)


def test_later_writes_change_only_the_digits(path):
    """The diff in a repository is two numbers."""
    apply(path, split(500))
    before = path.read_text()

    apply(path, split(2_500))

    assert path.read_text() == before.replace("9500", "7500").replace("500]]", "2500]]", 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            '{"fractional" : [ [ "claude" , 4 ],\n ["gpt-4",96]]}',
            '{"fractional" : [ [ "claude" , 500 ],\n ["gpt-4",9500]]}',
        ),
        (
            '{"fractional":[{"var":"email"},["gpt-4",1],["claude",0]]}',
            '{"fractional":[{"var":"email"},["gpt-4",9500],["claude",500]]}',
        ),
        (
            '{"fractional": [["gpt-4"], ["claude"]]}',
            '{"fractional": [["gpt-4", 9500], ["claude", 500]]}',
        ),
        ("null", SPLIT[13:] % (9500, 500)),
        ("{ }", SPLIT[13:] % (9500, 500)),
    ],
)
def test_order_and_bucketing_stay_as_they_are(path, rule, expected):
    """Another order or expression would give units the other arm."""
    text = FILE.replace(
        '"defaultVariant": "gpt-4"', f'"defaultVariant": "gpt-4", "targeting": {rule}'
    )
    path.write_text(text)

    apply(path, split(500))

    assert path.read_text() == text.replace(rule, expected)


@pytest.mark.parametrize(
    "text",
    [
        FILE.replace("\n", "\r\n"),
        "\ufeff" + FILE,
        FILE.rstrip("\n"),
        FILE.replace("  ", "\t"),
        json.dumps(json.loads(FILE)),
        json.dumps(json.loads(FILE), separators=(",", ":")),
        json.dumps(json.loads(FILE), indent=4),
    ],
    ids=["crlf", "bom", "no newline", "tabs", "one line", "compact", "indented"],
)
def test_restore_gives_every_byte_back(path, text):
    """Whatever the spacing, line ends, byte order mark and last newline are."""
    path.write_bytes(text.encode())
    target = target_in(path)
    point = PROVIDER.observe(target)
    for bp in (500, 2_500, 10_000):
        apply(path, split(bp, shadow_bp=bp))
    assert path.read_bytes() != text.encode()
    assert json.loads(path.read_bytes().decode("utf-8-sig"))

    PROVIDER.restore(target, point.snapshot, key="k", expect=None, timeout_s=1.0)

    assert path.read_bytes() == text.encode()


def test_nothing_is_written_when_it_is_served_already(path):
    """Idempotent: no new file, no new version, no other fraction of the same share."""
    set_flag(path, targeting=fractional(["gpt-4", 95], ["claude", 5]))
    before, content = observe(path), path.read_bytes()

    receipt = apply(path, split(500), expect=before.version)

    assert receipt.changed == ""
    assert receipt.version == before.version
    assert path.read_bytes() == content


def test_a_conflict_says_whose_edit_it_was(path):
    """The reader learns whether our flag or another part was edited."""
    version = observe(path).version
    set_flag(path, "banner", defaultVariant="on")
    set_flag(path, targeting=fractional(["gpt-4", 1], ["claude", 1]))

    with pytest.raises(Conflict, match="our flag in it"):
        apply(path, split(500), expect=version)


# -- what is observed -----------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "canary_bp"),
    [
        ({}, 0),
        ({"defaultVariant": "claude"}, 10_000),
        ({"targeting": fractional(["gpt-4", 199_999], ["claude", 1])}, 1),
        ({"targeting": fractional(["gpt-4", 1], ["claude", 199_999])}, 9_999),
        ({"targeting": fractional(["gpt-4", 2], ["claude", 1])}, 3_333),
        ({"targeting": fractional(["gpt-4", 10])}, 0),
        ({"state": "DISABLED", "defaultVariant": "claude"}, 0),
        ({"defaultVariant": ...}, 0),
        ({"defaultVariant": ""}, 0),
        ({"defaultVariant": "third"}, None),
        ({"state": "ON"}, None),
        ({"targeting": fractional(["gpt-4", 95.0], ["claude", 5.0])}, None),
        ({"targeting": fractional(["gpt-4", -1], ["claude", 5])}, None),
        ({"targeting": fractional(["gpt-4", True], ["claude", 5])}, None),
        ({"targeting": fractional(["gpt-4", 2_147_483_647], ["claude", 1])}, None),
        ({"targeting": fractional(["gpt-4", 0], ["claude", 0])}, None),
        ({"targeting": fractional("constant", ["gpt-4", 1], ["claude", 1])}, None),
        ({"targeting": fractional({"cat": [{"var": "$flagd.flagKey"}]}, ["gpt-4", 1])}, None),
        ({"targeting": fractional({"if": [True, ["claude", 9]]}, ["gpt-4", 1])}, None),
        ({"targeting": fractional({"var": ["x", ["claude", 9]]}, ["gpt-4", 1])}, None),
        ({"targeting": fractional({"if": [{"var": "x"}, ["claude", 9]]}, ["gpt-4", 1])}, None),
        ({"targeting": fractional({"or": [{"var": "x"}, ["claude", 9]]}, ["gpt-4", 1])}, None),
        ({"targeting": fractional({"or": [{"var": "x"}, {"var": "y"}]}, ["gpt-4", 1])}, 0),
        (
            {"defaultVariant": "claude", "targeting": fractional(["gpt-4", 1], ["claude", 0])},
            None,
        ),
        ({"variants": {"gpt-4": 1}, "targeting": fractional(["gpt-4", 1], ["claude", 1])}, None),
    ],
)
def test_a_share_is_never_said_smaller_than_it_can_be(path, members, canary_bp):
    """Zero is said only where no SDK can serve anything but control or the code's default."""
    set_flag(path, **members)

    seen = observe(path)

    assert (seen.exposure.canary_bp if seen.exposure else None) == canary_bp
    assert seen.detail or seen.exposure


def test_the_shadow_share_is_the_second_flags(path):
    """On means mirror this request."""
    set_flag(path, "llm-shadow", targeting=fractional(["off", 3], ["on", 1]))

    assert observe(path).exposure == split(0, shadow_bp=2_500)


# -- what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (STATES["a third arm"], "not over exactly gpt-4, claude"),
        (STATES["an if"], "a rule of its own (if)"),
        (STATES["a reference"], "a rule of its own ($ref)"),
        (STATES["bucketing by a reference"], "buckets by something other"),
        (STATES["float weights"], "0% of every arm but the default"),
        (STATES["control left out"], "not over exactly"),
        (STATES["a variant twice"], "not over exactly"),
        (STATES["canary by default"], "defaultVariant is 'claude', not the control 'gpt-4'"),
        (STATES["disabled"], "turning it on is your decision"),
        ({"state": "on"}, "its state is 'on'"),
        ({"defaultVariant": ...}, "defaultVariant is None"),
        ({"variants": {"gpt-4": 1, "claude-4": 2}}, "its variants are: gpt-4, claude-4"),
        ({"variants": {"gpt-4": 1, "claude": None}}, "no variant 'claude' with a value"),
        ({"targeting": fractional(["gpt-4", 0], ["claude", 0])}, "sum to 0"),
    ],
)
def test_a_flag_that_cannot_be_driven_safely_is_refused_with_the_reason(path, members, reason):
    """Probe says it as a finding, apply as an error, and neither writes."""
    set_flag(path, **members)
    content = path.read_bytes()

    assert reason in " ".join(refused(path))
    if "sum to 0" not in reason:
        with pytest.raises(Rejected):
            apply(path, split(500))
    assert path.read_bytes() == content or "sum to 0" in reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ":1:1: not a flag file"),
        ('{"flags": {"a": }}', ":1:17: not a flag file: Expecting value"),
        ('{"flags": {}} x', ":1:15: not a flag file: Extra data"),
        ('{"flags": {}, "flags": {}}', ":1:15: not a flag file: The key 'flags'"),
        ('{"flag": {}}', "has no key 'flags'"),
        ('{"flags": []}', "'flags' is not an object"),
        ('{"flags": {"llm": NaN}}', "NaN is not JSON"),
        ('{"flags": {"llm": ' + "[" * 100_000, "Nested too deeply"),
        ('{"flags": {"llm": ' + "9" * 5_000 + "}}", "not a flag file"),
        ("[]", "Expecting an object"),
        (FILE.replace('"state": "ENABLED",\n      "variants": {\n', '"variants": {\n'), "state"),
        (FILE.replace('"llm-shadow"', '"llm"'), "no flag 'llm-shadow'"),
        (FILE.replace('"llm-shadow"', '"llm-shado"'), "did you mean llm-shado?"),
        (FILE.replace('"on": true, "off": false }', '"yes": true }'), "no variant 'off'"),
    ],
)
def test_a_file_that_cannot_be_read_as_one_is_refused_with_the_place(path, text, reason):
    """Line and column, or the name that is missing."""
    path.write_text(text)

    assert reason in " ".join(refused(path))


def test_a_flag_that_stands_there_twice_is_refused_and_killed_in_both_places(path):
    """SDKs take the last one; a kill does not rely on it."""
    twice = FILE.replace(
        '"flags" : {',
        '"flags" : {"llm": {"state":"ENABLED","variants":{"gpt-4":1,"claude":2},'
        '"defaultVariant":"claude","defaultVariant":"claude"},',
    )
    path.write_text(twice)

    assert "'llm' stands in it twice" in " ".join(refused(path))
    with pytest.raises(Rejected, match="twice"):
        apply(path, split(500))
    PROVIDER.kill(target_in(path), timeout_s=1.0)
    assert path.read_text() == twice.replace(
        '"defaultVariant":"claude"', '"defaultVariant":"gpt-4"'
    )


def test_bytes_that_are_no_utf8_are_refused(path):
    """With the line."""
    path.write_bytes(b'{"flags":\n {"\xff": 1}}')

    assert ":2: not UTF-8" in refused(path)[0]


def test_a_relative_path_and_yaml_are_refused_with_the_fix(path, monkeypatch):
    """Another working directory would mean another file."""
    monkeypatch.chdir(path.parent)
    target = target_in(path)
    relative = type(target)(
        name="llm",
        provider="flagd-file",
        spec=TargetSpec(file="flags.json", flag="llm"),
        control=target.control,
        canary=target.canary,
    )

    findings = PROVIDER.probe(relative)

    assert findings[0].severity is Severity.REFUSE
    assert str(path) in findings[0].hint
    with pytest.raises(Rejected, match="YAML"):
        PROVIDER.observe(target_in(path.with_suffix(".yaml")))


def test_control_and_canary_must_differ(path):
    """Else a canary of 5% would be everybody."""
    target = target_in(path)
    same = type(target)(
        name="llm",
        provider="flagd-file",
        spec=target.spec,
        control=target.control,
        canary=Arm(name="canary", value="gpt-4"),
    )

    assert "both 'gpt-4'" in " ".join(each.message for each in PROVIDER.probe(same))


@pytest.mark.parametrize(
    ("exposure", "reason"),
    [
        (split(5, audience=(Condition(attribute="tier", values=("gold",)),)), "audience"),
        (split(5, include=(Condition(attribute="beta", values=(True,)),)), "include"),
        (Exposure(weights=(("control", 5_000), ("canary", 1), ("third", 4_999))), "third"),
        (split(0, shadow_bp=100), "names no shadow flag"),
    ],
)
def test_what_a_flag_file_cannot_do_is_rejected(path, exposure, reason):
    """Never half of an exposure."""
    with pytest.raises(Rejected, match=reason):
        apply(path, exposure, shadow=None)
    assert path.read_text() == FILE


@pytest.mark.parametrize("snapshot", [None, {}, {"flag": "x"}, {"flag": "{} "}, {"flag": 3}])
def test_a_snapshot_that_is_none_of_ours_is_rejected(path, snapshot):
    """Nothing but a whole flag is ever written back."""
    with pytest.raises(Rejected, match="restore point"):
        PROVIDER.restore(target_in(path), snapshot, key="k", expect=None, timeout_s=1.0)


def test_a_missing_flag_is_not_found_with_near_names(path):
    """A typing error is told as one."""
    with pytest.raises(NotFound) as caught:
        PROVIDER.observe(target_in(path, flag="lm"))

    assert "did you mean llm" in caught.value.hint


# -- warnings -------------------------------------------------------------------


def test_probe_says_who_gets_the_default_at_full_canary(path):
    """`defaultVariant` stays control: units without a targetingKey stay there."""
    assert "at 100% canary too" in warned(path)


def test_probe_warns_of_what_readers_will_not_accept_or_see(path):
    """A byte order mark, an unknown key, a second hard link."""
    path.write_text(
        "\ufeff" + FILE.replace('"defaultVariant": "gpt-4"', '"note": 1, "defaultVariant": "gpt-4"')
    )
    os.link(path, path.with_suffix(".second"))

    said = warned(path)

    assert "byte order mark" in said
    assert "unknown key note" in said
    assert "2 names" in said


# -- addresses ------------------------------------------------------------------


def test_an_address_is_equal_for_all_names_of_a_file(tmp_path):
    """Symlinks are followed; odd characters are percent-encoded and read back."""
    folder = tmp_path / "a #b%41 é"
    folder.mkdir()
    path = folder / "flags.json"
    path.write_text(FILE)
    (tmp_path / "link.json").symlink_to(path)

    address = PROVIDER.address(target_in(path, flag="x#y"))

    assert address == PROVIDER.address(target_in(tmp_path / "link.json", flag="x#y"))
    assert PROVIDER.parse_address(address) == {"file": str(path), "flag": "x#y"}


def test_an_address_may_hold_the_bytes_of_any_file_name(tmp_path):
    """As the shell hands them over, and as `plan` prints them: the same file."""
    name = os.fsdecode(b"\xff.json")

    fields = PROVIDER.parse_address(f"flagd-file://{tmp_path}/{name}#\udcfe")

    assert fields == {"file": f"{tmp_path}/{name}", "flag": "\udcfe"}
    assert fields == PROVIDER.parse_address(f"flagd-file://{tmp_path}/%FF.json#%FE")


@pytest.mark.parametrize(
    "address",
    [
        "flagd-file:///etc/flags.json",
        "flagd-file:///etc/flags.json#",
        "flagd-file://#x",
        "flagd-file:/etc/flags.json#x",
        "flagd-file:///etc/a%00b#x",
        "/etc/flags.json#x",
    ],
)
def test_a_malformed_address_shows_the_form(address):
    """With scheme, absolute path and flag."""
    with pytest.raises(UsageError) as caught:
        PROVIDER.parse_address(address)
    assert "flagd-file:///" in caught.value.hint


def test_a_relative_address_shows_the_absolute_one(tmp_path, monkeypatch):
    """The fix can be pasted."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError) as caught:
        PROVIDER.parse_address("flagd-file://flags.json#llm")

    assert caught.value.hint == f"write flagd-file://{tmp_path}/flags.json#llm"
