"""What a source `cloudwatch` and its queries may be written as; asks nobody."""

import pytest

from rolloutctl.errors import Rejected
from rolloutctl.sources.cloudwatch import CloudWatchSpec
from rolloutctl.sources.cloudwatch.expression import parse_expression


def test_metrics_are_named_in_place_and_the_rest_is_metric_math():
    """The same metric twice is one; what stands in a FILL may be missing."""
    text = (
        'IF(Sum(a{D="x"}[5m]) > 9, FILL(p99.9(b{}[5m]), 0) / Sum(a{D="x"}[5m])) * PR(:300)(c[5m])'
    )

    found = parse_expression(text, namespace="Shop", dimensions={"All": "1"})

    assert found.text == "IF(m0 > 9, FILL(m1, 0) / m0) * m2"
    assert [one.stat for one in found.metrics] == ["Sum", "p99.9", "PR(:300)"]
    assert found.metrics[0].dimensions == (("All", "1"), ("D", "x"))
    assert (found.may_miss, found.window_s) == ({"m1"}, 300.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate(x[5m])", "'rate' is no statistic"),
        ("Sum(a{}[7s])", "is no period"),
        ("Sum(a{}[1m]) / Sum(b{}[5m])", "several windows"),
        ("SEARCH('{Shop}', 'Sum', 60)", "SEARCH takes whatever there is"),
        ("Sum(a{})", "not understood"),
        ('Sum(a{z=~"b|c"}[1m])', "2 metrics where one is needed"),
        ("42", "not understood"),
        ("p999(a{}[1m])", "is no statistic"),
    ],
)
def test_an_expression_that_means_nothing_here_is_refused(text, message):
    """Before anything is asked, with what to write instead."""
    with pytest.raises(Rejected, match=message) as caught:
        parse_expression(text, namespace="Shop", dimensions={})

    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"region": "Frankfurt"}, "no region"),
        ({"region": ()}, "at least one"),
        ({"period_s": 10.0}, "whole number of minutes"),
        ({"staleness_s": 120.0}, "two periods"),
        ({"role_arn": "reader"}, "role_arn is such as"),
        ({"external_id": "x"}, "add role_arn"),
        ({"account": "12"}, "12 digits"),
        ({"timeout_s": 0.0}, "timeout"),
        ({"offset_s": -1.0}, "below 0s"),
        ({"endpoint": "localhost"}, "http*"),
    ],
)
def test_a_source_that_cannot_work_is_refused_by_its_keys(change, message):
    """Lint shows it where it stands."""
    with pytest.raises(ValueError, match=message):
        CloudWatchSpec(**({"region": "eu-west-1"} | change))
