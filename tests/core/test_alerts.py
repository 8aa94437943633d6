"""Alerts by name and labels: what is meant, and which rule may raise it."""

from __future__ import annotations

import pytest

from rolloutctl.core.alerts import parse_alerts
from rolloutctl.core.selector import SelectorError

PAGE = {"severity": "page", "part": "{{ $labels.job }}"}


@pytest.mark.parametrize(
    ("text", "labels", "is_meant"),
    [
        ("Bad", {"alertname": "Bad", "severity": "page"}, True),
        ("Bad", {"alertname": "Badder"}, False),
        (" Bad ", {"alertname": "Bad"}, True),
        ("High error rate", {"alertname": "High error rate"}, True),
        ('Bad{severity="page"}', {"alertname": "Bad", "severity": "page"}, True),
        ('Bad{severity="page"}', {"alertname": "Bad", "severity": "info"}, False),
        ('Bad {severity!="info"}', {"alertname": "Bad"}, True),
        ('{severity=~"page|critical"}', {"alertname": "Bad", "severity": "critical"}, True),
        ('{alertname!="Watchdog"}', {"alertname": "Watchdog"}, False),
    ],
)
def test_an_alert_is_meant_by_name_and_labels(text, labels, is_meant):
    """The name as it is, conditions as in a selector."""
    assert parse_alerts(text).predicate()(labels) is is_meant


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("{}", 1),
        ("Bad}", 4),
        ('"Bad"', 1),
        ("Bad{severity}", 13),
        ('Bad{severity="page"', 20),
        ('{severity=page"}', 11),
        ('Bad{a="b"} or Good', 12),
        ("x" * 257, 256),
    ],
)
def test_what_names_no_alert_is_refused_with_its_place(text, position):
    """Characters count from 1, whatever stands before the braces."""
    with pytest.raises(SelectorError) as caught:
        parse_alerts(text)

    assert caught.value.position == position
    assert str(caught.value).count("at character") == 1


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("Bad", True),
        ("Badd", False),
        ('Bad{severity="page"}', True),
        ('Bad{severity="info"}', False),
        ('Bad{model="new"}', True),  # the expression's series may have it
        ('Bad{part="app"}', True),  # a template: nobody knows what it will be
        ('{severity="page"}', True),
        ('{sevrity="page"}', False),
        ('{severity="page",model="new"}', False),
        ('{alertname=~"Ba.",model="new"}', True),
        ('{alertname!="Watchdog"}', True),
        ('{part="app"}', False),
    ],
)
def test_a_rule_may_raise_what_is_meant(text, may):
    """Without a name only what the rule sets itself counts: a typo must not look quiet."""
    assert parse_alerts(text).may_raise("Bad", PAGE) is may
