"""The source `cloudwatch` over real boto3, against a fake that botocore's own models judge."""

from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.clock import SystemClock
from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Rejected, Unauthorized, Unavailable
from rolloutctl.sources.cloudwatch import CloudWatch, CloudWatchSpec
from servers.fake_cloudwatch import CREDENTIALS, SECRET, FakeCloudWatch
from servers.scripted import Answer, ScriptedServer, free_port

NOON = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
P50 = 'p50(Latency{Model="b"}[1m])'
RATIO = 'Sum(Errors{Model="b"}[1m]) / Sum(Requests{Model="b"}[1m])'
FILLED = 'FILL(Sum(Errors{Model="b"}[1m]), 0) / Sum(Requests{Model="b"}[1m])'


@pytest.fixture
def aws(monkeypatch):
    """A CloudWatch; what broke AWS's model fails the test at its end."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    server = FakeCloudWatch()
    yield server
    server.close()
    assert not server.violations


def source_of(aws, **more):
    spec = {"region": "eu-west-1", "namespace": "Shop", "endpoint": aws.url} | more
    return CloudWatch(CloudWatchSpec(**spec))


def count(aws, text, at=NOON, **more):
    return source_of(aws, **more).query(Query(kind=QueryKind.COUNTERS, text=text), at)


def express(aws, text, at=NOON, **more):
    return source_of(aws, **more).query(Query(kind=QueryKind.EXPRESSION, text=text), at)


def alarms(aws, text, **more):
    return source_of(aws, **more).query(Query(kind=QueryKind.ALARMS, text=text), NOON)


def values(measurement):
    return [one.value for one in measurement.samples]


# -- counters -------------------------------------------------------------------


def test_a_counter_is_what_was_counted_this_year_in_whole_periods(aws):
    """The last two minutes still grow, and the days that are over are asked for once."""
    now = NOON + timedelta(days=40)
    aws.put("Requests", NOON - timedelta(days=1), 999, Model="b")
    aws.put("Requests", NOON, 1_000, Model="b")
    aws.put("Requests", now - timedelta(minutes=300), 100, Model="b")
    aws.put("Requests", now - timedelta(minutes=3), 20, 30, Model="b")
    aws.put("Requests", now - timedelta(minutes=2), 7_000, Model="b")
    source = source_of(aws)
    query = Query(kind=QueryKind.COUNTERS, text='Requests{Model="b"}')

    found = source.query(query, now)

    assert values(found) == values(source.query(query, now)) == [1_150.0]
    assert found.samples[0].labels == (("Model", "b"),)
    assert found.at == now - timedelta(minutes=2)
    assert len(aws.calls) == 3


def test_days_that_are_not_told_whole_are_no_data(aws):
    """Without them the counter would begin anew."""
    now = NOON + timedelta(days=40)
    aws.put("Requests", now - timedelta(minutes=3), 20)
    aws.status = {"Requests": "InternalError"}
    source = source_of(aws)
    query = Query(kind=QueryKind.COUNTERS, text="Requests{}")

    silent = source.query(query, now)
    aws.status = {}

    assert (silent.state, silent.samples) == (DataState.STALE, ())
    assert values(source.query(query, now)) == [20.0]


def test_a_late_point_counts_and_a_lost_one_stays_counted(aws):
    """CloudWatch is eventually consistent: a shrinking sum would look like a restart."""
    source = source_of(aws)
    query = Query(kind=QueryKind.COUNTERS, text="Requests{}")
    aws.put("Requests", NOON - timedelta(minutes=3), 100)
    aws.put("Requests", NOON - timedelta(minutes=9), 50)
    assert values(source.query(query, NOON)) == [150.0]

    aws.put("Requests", NOON - timedelta(minutes=5), 25)
    assert values(source.query(query, NOON)) == [175.0]

    aws.values.clear()
    aws.put("Requests", NOON - timedelta(minutes=3), 90)
    assert values(source.query(query, NOON)) == [175.0]


@pytest.mark.parametrize(("day", "after"), [(2, 70.0), (1, 0.0)])
def test_midnight_is_no_silence_and_begins_anew_at_new_year_only(aws, day, after):
    """A metric with data just before midnight is alive just after it."""
    midnight = datetime(2028, 1, day, tzinfo=UTC)
    aws.put("Requests", midnight - timedelta(minutes=2), 70)
    source = source_of(aws)
    query = Query(kind=QueryKind.COUNTERS, text="Requests{}")

    assert values(source.query(query, midnight + timedelta(minutes=1))) == [70.0]
    found = source.query(query, midnight + timedelta(minutes=3))

    assert (found.state, values(found)) == (DataState.OK, [after])


def test_a_list_of_values_is_as_many_metrics(aws):
    """Dimensions are exact: what is not a list of literals is refused."""
    aws.put("Requests", NOON - timedelta(minutes=3), 1, Zone="a")
    aws.put("Requests", NOON - timedelta(minutes=3), 2, Zone="b")

    assert values(count(aws, 'Requests{Zone=~"a|b"}')) == [1.0, 2.0]
    with pytest.raises(Rejected, match="has no patterns"):
        count(aws, 'Requests{Zone=~"a.*"}')
    with pytest.raises(Rejected, match="has no patterns"):
        count(aws, 'Requests{Zone!="a"}')


def test_sample_count_and_special_names_are_written_as_labels(aws):
    """A mean is a Sum over a SampleCount of the same metric."""
    aws.put("Time Taken", NOON - timedelta(minutes=3), 0.5, 1.5, namespace="Other", Model="b")
    text = 'x{__name__="Time Taken",__namespace__="Other",__stat__="%s"}'

    assert values(count(aws, text % "SampleCount", dimensions={"Model": "b"})) == [2.0]
    assert values(count(aws, text % "Sum", dimensions={"Model": "b"})) == [2.0]
    with pytest.raises(Rejected, match="cannot be added up"):
        count(aws, text % "p99")


def test_the_counters_of_two_regions_are_told_apart_and_one_silent_is_no_data(aws):
    """Half of the data would be judged as if it were all."""
    both = {"region": ("eu-west-1", "us-east-1")}
    aws.put("Requests", NOON - timedelta(minutes=3), 10)
    silent = count(aws, "Requests{}", **both)
    assert (silent.state, silent.samples) == (DataState.STALE, ())
    assert "us-east-1" in silent.detail

    aws.put("Requests", NOON - timedelta(minutes=3), 5, region="us-east-1")

    found = count(aws, "Requests{}", **both)
    assert [(one.labels, one.value) for one in found.samples] == [
        ((("region", "eu-west-1"),), 10.0),
        ((("region", "us-east-1"),), 5.0),
    ]


def test_a_silent_metric_is_no_data_and_never_the_empty_that_may_mean_zero(aws):
    """Nothing, and nothing new, both with their reason."""
    nothing = count(aws, "Errors{}")
    assert nothing.state is DataState.STALE
    assert "zero_where: {Errors: …}" in nothing.detail

    aws.put("Errors", NOON - timedelta(minutes=60), 3)

    old = count(aws, "Errors{}")
    assert old.state is DataState.STALE
    assert "59m old" in old.detail


def test_silence_is_zero_only_where_the_named_metric_has_data(aws):
    """The playbook names the metric that proves it, of the same dimensions."""
    declared = {"zero_where": {"Errors": "Requests"}}
    aws.put("Requests", NOON - timedelta(minutes=3), 100, Model="other")
    assert count(aws, 'Errors{Model="b"}', **declared).state is DataState.STALE

    aws.put("Requests", NOON - timedelta(minutes=3), 100, Model="b")

    found = count(aws, 'Errors{Model="b"}', **declared)
    assert (found.state, values(found)) == (DataState.OK, [0.0])
    assert (
        count(aws, 'Errors{Model="b"}', at=NOON + timedelta(minutes=30), **declared).samples == ()
    )


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden"])
def test_a_result_that_is_not_whole_is_no_data_although_it_has_points(aws, status):
    """Of counters, of expressions, and of the metric that would prove a zero."""
    aws.put("Requests", NOON - timedelta(minutes=3), 100, Model="b")
    aws.put("Errors", NOON - timedelta(minutes=3), 1, Model="b")
    aws.status = {"Requests": status}

    for found in (
        count(aws, 'Requests{Model="b"}'),
        count(aws, 'Errors{Model="b"}', zero_where={"Errors": "Requests"}),
        express(aws, RATIO),
    ):
        assert (found.state, found.samples) == (DataState.STALE, ())
        assert "Told: by the fake" in found.detail


def test_pages_are_put_together(aws):
    """A page says PartialData where another one follows; the last one counts."""
    for age in range(3, 30):
        aws.put("Requests", NOON - timedelta(minutes=age), 1)
    aws.page_size = 5

    found = count(aws, "Requests{}")

    assert (found.state, values(found)) == (DataState.OK, [27.0])
    assert len(aws.calls) == 6


# -- expressions ----------------------------------------------------------------


def test_percentiles_and_metric_math_are_asked_in_one_call(aws):
    """Of the newest whole window; the value is dated with its end."""
    aws.put("Latency", NOON - timedelta(minutes=3), 0.1, 0.2, 0.9, Model="b")
    aws.put("Requests", NOON - timedelta(minutes=3), 200, Model="b")
    aws.put("Errors", NOON - timedelta(minutes=3), 5, Model="b")

    assert values(express(aws, P50)) == [0.2]
    found = express(aws, RATIO)

    assert (values(found), found.at) == ([0.025], NOON - timedelta(minutes=2))
    assert len(aws.calls) == 2


def test_a_window_is_aligned_to_its_own_length(aws):
    """Start and end are whole windows, so no value is of half of one."""
    aws.put("Requests", NOON - timedelta(minutes=14), 1, Model="b")
    aws.put("Requests", NOON - timedelta(minutes=11), 2, Model="b")

    found = express(aws, 'Sum(Requests{Model="b"}[5m])', at=NOON - timedelta(minutes=2))

    (_, _, asked) = aws.calls[-1]
    assert asked["EndTime"] == NOON - timedelta(minutes=5)
    assert asked["StartTime"].minute % 5 == 0
    assert (values(found), found.at) == ([3.0], NOON - timedelta(minutes=10))


def test_an_expression_without_one_of_its_metrics_is_no_data(aws):
    """Whichever it is; and so is a division by zero."""
    aws.put("Requests", NOON - timedelta(minutes=3), 200, Model="b")
    missing = express(aws, RATIO)
    assert missing.state is DataState.STALE
    assert 'no datapoints of Shop Errors{Model="b"} (Sum)' in missing.detail

    aws.values.clear()
    aws.put("Requests", NOON - timedelta(minutes=3), 0, Model="b")
    aws.put("Errors", NOON - timedelta(minutes=3), 0, Model="b")

    assert "a division by 0?" in express(aws, RATIO).detail


def test_fill_makes_a_number_of_silence_only_beside_data(aws):
    """Errors may be missing at a time at which Requests is there, and not otherwise."""
    aws.put("Errors", NOON - timedelta(minutes=9), 2, Model="b")
    aws.put("Requests", NOON - timedelta(minutes=9), 100, Model="b")
    aws.put("Requests", NOON - timedelta(minutes=3), 100, Model="b")
    assert values(express(aws, FILLED)) == [0.0]

    aws.values.clear()
    aws.put("Errors", NOON - timedelta(minutes=9), 2, Model="b")

    assert express(aws, FILLED).state is DataState.STALE
    assert values(express(aws, 'FILL(Sum(Errors{Model="b"}[1m]), 0) * 1')) == [2.0]


def test_an_old_value_is_no_data(aws):
    """`staleness`, and the length of a window."""
    aws.put("Latency", NOON - timedelta(minutes=15), 1, Model="b")

    found = express(aws, P50, staleness_s=600.0)

    assert found.state is DataState.STALE


def test_a_query_of_several_regions_and_a_metric_without_namespace_are_refused(aws):
    """Nobody could say which region's number it is."""
    with pytest.raises(Rejected, match="of one region"):
        express(aws, P50, region=("eu-west-1", "us-east-1"))
    with pytest.raises(Rejected, match="no namespace"):
        count(aws, "Requests{}", namespace="")


# -- what AWS refuses -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        ("forbidden", Unauthorized, "cloudwatch:GetMetricData"),
        ("expired", Unauthorized, "ExpiredToken"),
        ("throttled", Unavailable, "Throttling"),
        ("broken", Unavailable, "InternalServiceFault"),
        ("drop", Unavailable, "eu-west-1"),
        ("invalid", Rejected, "InvalidParameterCombination"),
    ],
)
def test_what_aws_refuses_is_an_error_of_ours_without_the_secret(aws, fault, error, told):
    """With the action, the region, and what to do next."""
    aws.fault = fault

    with pytest.raises(error, match=told) as caught:
        count(aws, "Requests{}")

    assert caught.value.hint
    assert SECRET not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(("fault", "is_answered"), [("broken", True), ("throttled", False)])
def test_one_failure_of_aws_is_asked_again_and_throttling_is_not(aws, fault, is_answered):
    """Reading changes nothing; but who throttles asks for patience."""
    aws.put("Requests", NOON - timedelta(minutes=3), 1)
    aws.fault, aws.fault_count = fault, 1

    if is_answered:
        assert values(count(aws, "Requests{}")) == [1.0]
    else:
        with pytest.raises(Unavailable) as caught:
            count(aws, "Requests{}")
        assert caught.value.retry_after_s


def test_nobody_there_and_no_credentials_say_what_to_do(aws, monkeypatch):
    """Neither is a traceback."""
    with pytest.raises(Unavailable, match="eu-west-1"):
        count(aws, "Requests{}", endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unauthorized, match="nobody"):
        count(aws, "Requests{}", profile="nobody")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unauthorized, match="redentials"):
        count(aws, "Requests{}")


def test_a_role_is_assumed_once_and_one_that_is_not_ours_is_named(aws):
    """Without it the metrics may not be read."""
    aws.role = "arn:aws:iam::210987654321:role/reader"
    aws.put("Requests", NOON - timedelta(minutes=3), 4)
    with pytest.raises(Unauthorized, match="user/ci"):
        count(aws, "Requests{}")
    with pytest.raises(Unauthorized, match="sts:AssumeRole"):
        count(aws, "Requests{}", role_arn="arn:aws:iam::210987654321:role/other")

    source = source_of(aws, role_arn=aws.role, external_id="chat")
    query = Query(kind=QueryKind.COUNTERS, text="Requests{}")

    assert values(source.query(query, NOON)) == values(source.query(query, NOON)) == [4.0]
    assumed = [asked for name, _, asked in aws.calls if name == "AssumeRole"]
    assert [one["ExternalId"] for one in assumed] == ["chat"]


def test_a_role_is_assumed_anew_before_its_keys_run_out(aws):
    """A rollout lasts longer than the hour that they are good for."""
    aws.role, aws.role_until = "arn:aws:iam::210987654321:role/reader", "2001-01-01T00:00:00Z"
    source = source_of(aws, role_arn=aws.role)
    query = Query(kind=QueryKind.COUNTERS, text="Requests{}")

    source.query(query, NOON)
    source.query(query, NOON)

    assert [name for name, _, _ in aws.calls].count("AssumeRole") == 2


def test_a_botocore_that_speaks_cbor_is_answered_alike(aws, monkeypatch):
    """Which protocol it takes is botocore's own matter; times and numbers arrive all the same."""
    monkeypatch.setattr(
        "botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", ("smithy-rpc-v2-cbor", "query")
    )
    aws.put("Requests", NOON - timedelta(minutes=3), 12)
    aws.alarm("chat-errors", "ALARM")

    assert values(count(aws, "Requests{}")) == [12.0]
    assert dict(alarms(aws, "chat-errors").samples[0].labels)["since"].startswith(
        "2027-01-01T11:30"
    )
    aws.fault = "forbidden"
    with pytest.raises(Unauthorized, match="AccessDenied"):
        count(aws, "Requests{}")


def test_another_account_is_named_in_the_question(aws):
    """As a monitoring account asks for what is shared with it."""
    count(aws, "Requests{}", account="210987654321")

    assert aws.calls[-1][2]["MetricDataQueries"][0]["AccountId"] == "210987654321"


def test_a_probe_says_who_asks_where(aws):
    """In every region; what AWS refuses for good is a finding."""
    found = source_of(aws, region=("eu-west-1", "us-east-1")).probe()
    assert [one.severity for one in found] == [Severity.OK, Severity.OK]
    assert "us-east-1" in found[1].message
    assert "arn:aws:iam::123456789012:user/ci" in found[0].message

    aws.fault = "invalid"

    assert source_of(aws).probe()[0].severity is Severity.REFUSE


def test_something_else_that_answers_is_not_taken_for_an_empty_cloudwatch(aws):
    """A proxy's page is no data; bytes of another protocol are another shape."""
    with ScriptedServer(Answer(body="<html>hello</html>", content_type="text/html")) as other:
        page = count(aws, "Requests{}", endpoint=other.url)
    mute = ScriptedServer(Answer(body=b"\xff\xfe\x00"))
    with mute as other, pytest.raises(Unavailable, match="another shape"):
        count(aws, "Requests{}", endpoint=other.url)

    assert (page.state, page.samples) == (DataState.STALE, ())
    assert "did not answer about" in page.detail


# -- alarms ---------------------------------------------------------------------


def test_alarms_are_told_by_name_and_prefix_the_worst_first(aws):
    """With since when and why, composite ones and muted ones too."""
    aws.alarm("chat-errors", Period=60, EvaluationPeriods=5, DatapointsToAlarm=3)
    aws.alarm("chat-all", "ALARM", AlarmRule='ALARM("chat-errors")', ActionsEnabled=False)
    aws.alarm("other", "INSUFFICIENT_DATA")

    by_prefix = alarms(aws, "chat-*")

    assert values(by_prefix) == [2.0, 0.0]
    labels = dict(by_prefix.samples[0].labels)
    assert labels["alarm"] == "chat-all"
    assert labels["since"] == "2027-01-01T11:30:00+00:00"
    assert (labels["kind"], labels["actions"]) == ("composite", "disabled")
    assert "because of a test" in labels["reason"]
    assert dict(by_prefix.samples[1].labels)["sees"] == "3m"
    assert values(alarms(aws, "other")) == [1.0]


def test_alarms_of_many_pages_are_all_seen(aws):
    """The one in ALARM is on the last page."""
    for number in range(40):
        aws.alarm(f"a-{number:02}", "ALARM" if number == 39 else "OK")
    aws.page_size = 7

    assert values(alarms(aws, "a-*")).count(2.0) == 1


@pytest.mark.parametrize("text", ["chat-eror", "chat-eror*"])
def test_an_alarm_that_is_not_there_is_refused_with_the_nearest(aws, text):
    """In each of the regions: an alarm of one does not speak for the other."""
    aws.alarm("chat-errors")
    with pytest.raises(Rejected, match="chat-eror in eu-west-1") as caught:
        alarms(aws, text)
    assert "chat-errors" in caught.value.hint

    with pytest.raises(Rejected, match="us-east-1"):
        alarms(aws, "chat-errors", region=("eu-west-1", "us-east-1"))


# -- the past, names, and what lint knows ------------------------------------------


def test_the_past_of_counters_only_grows_and_that_of_a_query_has_gaps(aws):
    """As far as CloudWatch kept it: fifteen days of minutes, here from a while ago."""
    start = SystemClock().now().replace(second=0, microsecond=0) - timedelta(minutes=60)
    aws.put("Requests", start, 10, Model="b")
    aws.put("Requests", start + timedelta(minutes=2), 5, Model="b")
    source = source_of(aws)
    counted = Query(kind=QueryKind.COUNTERS, text='Requests{Model="b"}')
    asked = Query(kind=QueryKind.EXPRESSION, text='Sum(Requests{Model="b"}[1m])')

    past = source.history(counted, start, start + timedelta(minutes=5), 60.0)
    values_ = source.history(asked, start, start + timedelta(minutes=5), 60.0)

    assert [samples[0].value for _, samples in past.rows] == [0.0, 10.0, 10.0, 15.0, 15.0, 15.0]
    assert [(at - start, samples[0].value) for at, samples in values_.rows] == [
        (timedelta(minutes=1), 10.0),
        (timedelta(minutes=3), 5.0),
    ]
    with pytest.raises(Rejected, match="how alarms stood"):
        source.history(Query(kind=QueryKind.ALARMS, text="x"), start, NOON, 60.0)


def test_a_metric_that_is_not_there_is_told_with_those_that_are(aws):
    """For `plan`: most often it is a typing error."""
    aws.put("Requests", NOON, 1)
    query = Query(kind=QueryKind.COUNTERS, text="Requsts{}")

    assert source_of(aws).unknown_metrics(query, NOON) == {"Requsts": ["Requests"]}
    declared = source_of(aws, zero_where={"Requsts": "Requests"})
    assert not declared.unknown_metrics(query, NOON)
