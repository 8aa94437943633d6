# ruff: noqa: N802, N803 - operations, arguments and methods carry the names of AWS and of Python
"""A fake CloudWatch and STS on loopback, spoken to as boto3 speaks: JSON 1.0, CBOR, and query.

Requests and answers are judged by botocore's own models; what breaks them stands in
`violations`. Metrics are raw values with times, by region: the region is read from the
signature, and so is who asks. Statistics, percentiles and the arithmetic of metric math are
computed; of functions only FILL, of which a metric without any point stays empty.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import botocore.session
import cbor2

from servers.aws_model import ModelError, check

_MODEL = botocore.session.get_session().get_service_model("cloudwatch")
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
SECRET = "planted-aws-secret-access-key-0123456789"
#: Environment variables of a client that must find no other credentials than these.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED000000000",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
#: fault -> (status, AWS's name of it)
REFUSALS = {
    "forbidden": (403, "AccessDeniedException"),
    "expired": (403, "ExpiredTokenException"),
    "throttled": (400, "ThrottlingException"),
    "broken": (500, "InternalServiceFault"),
    "invalid": (400, "InvalidParameterCombinationException"),
}
DENIED = (
    "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: cloudwatch:{}"
    " because no identity-based policy allows the cloudwatch:{} action"
)
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class FakeCloudWatch(ThreadingHTTPServer):
    """Metrics and alarms of regions; roles; and what goes wrong.

    Attributes:
        fault: what is answered instead, a key of REFUSALS or "drop"; `fault_count` times.
        status: metric name -> StatusCode of its results; the points are told all the same.
        role: the only role that can be assumed, until `role_until`; its keys alone may then read.
        page_size: points of a result on one page.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Door)
        self.values, self.alarms, self.status = {}, {}, {}
        self.fault, self.fault_count, self.fault_on = None, 1_000_000, frozenset()
        self.role, self.role_until, self.page_size = "", "2099-01-01T00:00:00Z", 1_000_000
        self.calls, self.violations = [], []
        self.lock = threading.RLock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name, at, *values, namespace="Shop", region="eu-west-1", **dimensions):
        """Raw values at one time."""
        key = (region, namespace, name, frozenset(dimensions.items()))
        with self.lock:
            self.values.setdefault(key, []).extend((at, float(each)) for each in values)

    def alarm(self, name, state="OK", *, region="eu-west-1", **more):
        """An alarm as DescribeAlarms tells it; an `AlarmRule` makes it a composite one."""
        since = datetime(2027, 1, 1, 11, 30, tzinfo=UTC)
        known = {
            "AlarmName": name,
            "AlarmArn": f"arn:aws:cloudwatch:{region}:123456789012:alarm:{name}",
            "StateValue": state,
            "StateReason": f"{name} is {state} because of a test",
            "StateUpdatedTimestamp": since,
            "StateTransitionedTimestamp": since,
            "ActionsEnabled": True,
        }
        self.alarms[region, name] = known | more

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    # -- operations -------------------------------------------------------------

    def GetMetricData(self, region, *, MetricDataQueries, StartTime, EndTime, **more):
        assert StartTime < EndTime
        series, results = {}, []
        for query in MetricDataQueries:
            points, status = self._points(region, query, series, StartTime, EndTime)
            series[query["Id"]] = points
            results.append((query["Id"], sorted(points.items()), status))
        begin = int(more.get("NextToken") or 0)
        end = begin + self.page_size
        is_more = any(len(points) > end for _, points, _ in results)
        rows = [
            {
                "Id": id_,
                "Label": id_,
                "Timestamps": [at for at, _ in points[begin:end]],
                "Values": [value for _, value in points[begin:end]],
                "StatusCode": "PartialData" if len(points) > end else status,
                "Messages": []
                if status == "Complete"
                else [{"Code": "Told", "Value": "by the fake"}],
            }
            for id_, points, status in results
        ]
        return {"MetricDataResults": rows, "Messages": []} | (
            {"NextToken": str(end)} if is_more else {}
        )

    def _points(self, region, query, series, start, end):
        """The points by time, and the status."""
        if "Expression" in query:
            return evaluated(query["Expression"], series), "Complete"
        stat = query["MetricStat"]
        metric, period = stat["Metric"], stat["Period"]
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric["Dimensions"])
        key = (region, metric["Namespace"], metric["MetricName"], dimensions)
        by_period = {}
        for at, value in self.values.get(key, ()):
            begin = datetime.fromtimestamp(at.timestamp() // period * period, UTC)
            if start <= begin < end:
                by_period.setdefault(begin, []).append(value)
        points = {at: statistic(stat["Stat"], values) for at, values in by_period.items()}
        return points, self.status.get(metric["MetricName"], "Complete")

    def DescribeAlarms(self, region, *, AlarmTypes, **chosen):
        named, prefix = chosen.get("AlarmNames"), chosen.get("AlarmNamePrefix", "")
        rows = [
            one
            for (where, name), one in sorted(self.alarms.items())
            if where == region and (named is None or name in named) and name.startswith(prefix)
        ]
        begin = int(chosen.get("NextToken") or 0)
        end = begin + min(chosen["MaxRecords"], self.page_size)
        page = list(rows[begin:end])
        composite = [one for one in page if "AlarmRule" in one and "CompositeAlarm" in AlarmTypes]
        plain = [one for one in page if "AlarmRule" not in one and "MetricAlarm" in AlarmTypes]
        more = {"NextToken": str(end)} if len(rows) > end else {}
        return {"MetricAlarms": plain, "CompositeAlarms": composite, **more}

    def ListMetrics(self, region, *, Namespace, **_):
        rows = [
            {
                "Namespace": Namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions],
            }
            for where, namespace, name, dimensions in self.values
            if where == region and namespace == Namespace
        ]
        return {"Metrics": rows}

    # -- STS, in XML ------------------------------------------------------------

    def AssumeRole(self, asked):
        if asked["RoleArn"] != self.role:
            raise PermissionError(
                f"not authorized to perform: sts:AssumeRole on {asked['RoleArn']}"
            )
        keys = {
            "AccessKeyId": "ASIAASSUMED000000000",
            "SecretAccessKey": "assumed",
            "SessionToken": "assumed-token",
            "Expiration": self.role_until,
        }
        return f"<Credentials>{xml(keys)}</Credentials>"

    def GetCallerIdentity(self, asked):
        del asked
        arn = "arn:aws:iam::123456789012:user/ci"
        return xml({"Arn": arn, "UserId": "AIDA", "Account": "123456789012"})


def statistic(name, values):
    """A statistic of raw values; percentiles by the nearest rank."""
    plain = {
        "Sum": math.fsum(values),
        "SampleCount": float(len(values)),
        "Average": math.fsum(values) / len(values),
        "Minimum": min(values),
        "Maximum": max(values),
    }
    if name in plain:
        return plain[name]
    rank = float(re.fullmatch(r"p([\d.]+)", name)[1]) / 100
    return sorted(values)[max(math.ceil(rank * len(values)) - 1, 0)]


def evaluated(text, series):
    """Metric math at each time at which all its parts have a value; x/0 has none."""
    tree = ast.parse(text, mode="eval").body
    times = sorted({at for points in series.values() for at in points})
    found = {}
    for at in times:
        value = _value(tree, series, at)
        if value is not None:
            found[at] = value
    return found


def _value(node, series, at):
    if isinstance(node, ast.Constant):
        return float(node.value)
    if isinstance(node, ast.Name):
        return series[node.id].get(at)
    if isinstance(node, ast.Call) and node.func.id == "FILL":
        known = series[node.args[0].id]
        return known.get(at, float(node.args[1].value)) if known else None
    left, right = _value(node.left, series, at), _value(node.right, series, at)
    if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
        return None
    return _ARITHMETIC[type(node.op)](left, right)


def xml(fields):
    return "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())


def _from_json(parameters):
    """JSON has no times: seconds since 1970 stand for them."""
    for name in ("StartTime", "EndTime"):
        if name in parameters:
            parameters[name] = datetime.fromtimestamp(parameters[name], UTC)
    return parameters


class _Door(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *a):
        """Quiet."""

    def do_POST(self):
        server = self.server
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/(\w+)/", self.headers["Authorization"])
        key, region, service = scope.groups()
        if service == "sts":
            self._sts({name: each[0] for name, each in parse_qs(raw.decode()).items()})
            return
        self.is_cbor = self.headers.get("smithy-protocol") == "rpc-v2-cbor"
        target = self.path if self.is_cbor else self.headers["X-Amz-Target"].replace(".", "/")
        name = target.rpartition("/")[2]
        if self._is_broken(name):
            return
        if server.role and not key.startswith("ASIA"):
            self._refuse("forbidden", name)
            return
        self._do(name, region, cbor2.loads(raw) if self.is_cbor else _from_json(json.loads(raw)))

    def _is_broken(self, name):
        server = self.server
        with server.lock:
            is_meant = not server.fault_on or name in server.fault_on
            if server.fault is None or not is_meant or server.fault_count <= 0:
                return False
            server.fault_count -= 1
        if server.fault == "drop":
            self.close_connection = True
        else:
            self._refuse(server.fault, name)
        return True

    def _refuse(self, fault, name):
        status, code = REFUSALS[fault]
        said = DENIED.format(name, name) if fault == "forbidden" else f"injected {fault}"
        self._send(status, {"__type": f"com.amazonaws.cloudwatch#{code}", "message": said})

    def _do(self, name, region, parameters):
        server = self.server
        operation = _MODEL.operation_model(name)
        try:
            check(operation.input_shape, parameters)
            with server.lock:
                server.calls.append((name, region, parameters))
                answer = getattr(server, name)(region, **parameters)
            check(operation.output_shape, answer)
        except ModelError as error:
            server.violations.append((name, str(error)))
            self._send(400, {"__type": "x#ValidationError", "message": str(error)})
            return
        self._send(200, answer)

    def _sts(self, asked):
        server, name = self.server, asked["Action"]
        try:
            body = getattr(server, name)(asked)
        except PermissionError as error:
            told = xml({"Code": "AccessDenied", "Message": str(error)})
            self._write(403, f"<ErrorResponse><Error>{told}</Error></ErrorResponse>", "text/xml")
            return
        server.calls.append((name, "", asked))
        inner = f"<{name}Result>{body}</{name}Result>"
        self._write(200, f'<{name}Response xmlns="{_STS}">{inner}</{name}Response>', "text/xml")

    def _send(self, status, value):
        if self.is_cbor:
            raw = cbor2.dumps(value, timezone=UTC, datetime_as_timestamp=True)
            self._write(status, raw, "application/cbor")
        else:
            raw = json.dumps(value, default=datetime.timestamp)
            self._write(status, raw, "application/x-amz-json-1.0")

    def _write(self, status, body, kind):
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        if kind == "application/cbor":
            self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
