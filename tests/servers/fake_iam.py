# ruff: noqa: N802, N803 - operations and arguments carry the names of AWS
"""The account around the fake AppConfig: STS, IAM's simulator, and the alarms of CloudWatch.

Requests and answers are judged by botocore's own models. Policies are statements as IAM takes
them, evaluated for each action, resource and condition; the same policies decide whether the
caller may simulate, and may see alarms. How an alarm stands is the AppConfig fake's own truth,
by which it rolls back too. What it cannot: groups, policies of resources, operators of
conditions but StringEquals and StringNotEquals.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
import cbor2

from servers.aws_model import ModelError, cast, check

NUMBER = "123456789012"
USER = f"arn:aws:iam::{NUMBER}:user/ci"
ALLOW_ALL = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)
_S = botocore.session.get_session()
#: The name in the signature -> AWS's model.
MODELS = {
    name: _S.get_service_model(service)
    for name, service in (("sts", "sts"), ("iam", "iam"), ("monitoring", "cloudwatch"))
}
#: fault -> (status, AWS's name of it)
REFUSALS = {
    "unauthorized": (403, "InvalidClientTokenId"),
    "forbidden": (403, "AccessDenied"),
    "missing": (404, "NoSuchEntity"),
    "conflict": (409, "Conflict"),
    "rate-limited": (400, "Throttling"),
    "server-error": (500, "ServiceFailure"),
    "invalid": (400, "InvalidInput"),
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, fault, message):
        super().__init__(message)
        self.fault = fault


class Account:
    """Who acts, with which policies.

    Attributes:
        arn: what STS says.
        principals: ARN of a user or role -> its statements; others do not exist.
        boundary, organization: statements that must allow it too; None for none.
        is_old: one result a resource, as IAM's simulator answered before it gave one an action.
        page_size: results on a page.
        asked: names of all calls, the broken ones too.
        composite, gone: ARNs of alarms that are composite, and of those that were deleted.
    """

    def __init__(self, aws):
        self.aws = aws
        self.arn = USER
        self.principals = {USER: ALLOW_ALL}
        self.boundary = self.organization = None
        self.is_old, self.page_size = False, 100
        self.asked, self.composite, self.gone = [], set(), set()
        self.reason = "because of a test"

    def become(self, arn, *, source=None, statements=ALLOW_ALL):
        """Another caller; `source` is the ARN of the role that its session is of."""
        self.arn, self.principals = arn, {source or arn: tuple(statements)}

    def may(self, *statements):
        """The only statements that the caller has."""
        self.principals = {next(iter(self.principals)): statements}

    def _demand(self, action, resource):
        """The caller's own permission for a call that is made, not simulated."""
        decision, _ = self._decide(next(iter(self.principals.values())), action, resource, {})
        if decision != "allowed":
            raise Refused(
                "forbidden",
                f"User: {self.arn} is not authorized to perform: {action} on resource: {resource}"
                f" because no identity-based policy allows the {action} action",
            )

    def _decide(self, statements, action, resource, context):
        """The decision, and the condition keys that nobody stated."""
        effects, missing = set(), set()
        for one in statements:
            if not (_covers(one["Action"], action) and _covers(one["Resource"], resource)):
                continue
            holds, unstated = _conditions(one.get("Condition", {}), context)
            missing |= unstated
            if holds:
                effects.add(one["Effect"])
        if "Deny" in effects:
            return "explicitDeny", missing
        return ("allowed" if "Allow" in effects else "implicitDeny"), missing

    # -- operations -------------------------------------------------------------

    def GetCallerIdentity(self, region):
        del region
        return {"Arn": self.arn, "UserId": "AIDAPLANTED", "Account": self.arn.split(":")[4]}

    def SimulatePrincipalPolicy(self, region, *, PolicySourceArn, ActionNames, **more):
        del region
        self._demand("iam:SimulatePrincipalPolicy", PolicySourceArn)
        if PolicySourceArn not in self.principals:
            kind, _, name = PolicySourceArn.rpartition(":")[2].rpartition("/")
            message = f"The {kind} with name {name} cannot be found."
            raise Refused("missing", message)
        context = {
            one["ContextKeyName"]: one["ContextKeyValues"][0]
            for one in more.get("ContextEntries", ())
        }
        statements = self.principals[PolicySourceArn]
        resources = more.get("ResourceArns") or ["*"]
        rows = []
        for action in ActionNames:
            parts = [self._part(statements, action, one, context) for one in resources]
            rows += map(_as_before, parts) if self.is_old else [_aggregate(action, parts)]
        begin = int(more.get("Marker") or 0)
        end = begin + self.page_size
        is_more = len(rows) > end
        page = {"EvaluationResults": rows[begin:end], "IsTruncated": is_more}
        return page | ({"Marker": str(end)} if is_more else {})

    def _part(self, statements, action, resource, context):
        """One action on one resource, as a result of its own."""
        decision, missing = self._decide(statements, action, resource, context)
        found = {"EvalActionName": action, "EvalResourceName": resource}
        for policy, name, key in (
            (self.boundary, "PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary"),
            (self.organization, "OrganizationsDecisionDetail", "AllowedByOrganizations"),
        ):
            if policy is not None:
                above, _ = self._decide(policy, action, resource, context)
                found[name] = {key: above == "allowed"}
                decision = decision if above == "allowed" else above
        return found | {"EvalDecision": decision, "MissingContextValues": sorted(missing)}

    def DescribeAlarms(self, region, *, AlarmTypes=("MetricAlarm",), **chosen):
        self._demand("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{region}:{NUMBER}:alarm:*")
        watched = (one for env in self.aws.envs.values() for one in env.get("Monitors", ()))
        arns = {one["AlarmArn"] for one in watched} | set(self.aws.alarms)
        rows = [
            self._alarm(arn)
            for arn in sorted(arns - self.gone)
            if arn.split(":")[3] == region and arn.split(":", 6)[6] in chosen["AlarmNames"]
        ]
        plain = [one for one in rows if one["AlarmArn"] not in self.composite]
        both = [one | {"AlarmRule": "ALARM(x)"} for one in rows if one not in plain]
        return {
            "MetricAlarms": plain if "MetricAlarm" in AlarmTypes else [],
            "CompositeAlarms": both if "CompositeAlarm" in AlarmTypes else [],
        }

    def _alarm(self, arn):
        return {
            "AlarmName": arn.split(":", 6)[6],
            "AlarmArn": arn,
            "StateValue": self.aws.alarms.get(arn, "INSUFFICIENT_DATA"),
            "StateReason": self.reason,
            "StateUpdatedTimestamp": datetime(2027, 1, 1, 11, 30, tzinfo=UTC),
            "ActionsEnabled": arn not in self.aws.muted,
        }


def account_of(aws):
    """The account of a fake AppConfig; made at the first look."""
    return aws.__dict__.setdefault("account", Account(aws))


def _covers(patterns, text):
    """IAM's own wildcards: actions in any case, and * for any characters at all."""
    known = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(text.lower(), one.lower().replace("[", "[[]")) for one in known)


def _conditions(wanted, context):
    """Whether all hold, and which keys were not stated; what is not stated equals nothing."""
    missing, holds = set(), True
    for operator, pairs in wanted.items():
        for key, value in pairs.items():
            if key not in context:
                missing.add(key)
            is_equal = context.get(key) == value
            holds &= is_equal if operator == "StringEquals" else not is_equal
    return holds, missing


def _as_before(part):
    """One result a resource: the keys that nobody stated stand under it where one was named."""
    if part["EvalResourceName"] == "*":
        return part
    return {**part, "MissingContextValues": [], "ResourceSpecificResults": [_under(part)]}


def _under(part):
    return {
        "EvalResourceName": part["EvalResourceName"],
        "EvalResourceDecision": part["EvalDecision"],
        "MissingContextValues": part["MissingContextValues"],
    }


def _aggregate(action, parts):
    """One result an action, the most restrictive, with those of each resource under it."""
    order = ["explicitDeny", "implicitDeny", "allowed"]
    worst = min(parts, key=lambda one: order.index(one["EvalDecision"]))
    missing = sorted({key for one in parts for key in one["MissingContextValues"]})
    under = [_under(one) for one in parts if one["EvalResourceName"] != "*"]
    named = {"EvalActionName": action, "EvalResourceName": "*", "MissingContextValues": missing}
    return {**worst, **named, "ResourceSpecificResults": under}


# -- what goes over the wire ------------------------------------------------------


def answered(aws, headers, path, body):
    """(status, headers, body) for a request to one of these services; None for any other's."""
    scope = re.search(r"/([\w-]+)/(\w+)/aws4_request", headers.get("Authorization") or "")
    if scope is None or scope[2] not in MODELS:
        return None
    region, model = scope[1], MODELS[scope[2]]
    if scope[2] != "monitoring":
        asked = dict(parse_qsl(body.decode(), keep_blank_values=True))
        name = asked["Action"]
        parameters = _parsed(model.operation_model(name).input_shape, asked)
        return _done(aws, model, name, parameters, region=region, write=_as_xml)
    is_cbor = headers.get("smithy-protocol") == "rpc-v2-cbor"
    target = path if is_cbor else headers["X-Amz-Target"].replace(".", "/")
    parameters = cbor2.loads(body) if is_cbor else json.loads(body)
    name = target.rpartition("/")[2]
    return _done(
        aws, model, name, parameters, region=region, write=_as_cbor if is_cbor else _as_json
    )


def _done(aws, model, name, parameters, *, region, write):
    """Judges, does, judges the answer, and writes it; or breaks it."""
    operation = model.operation_model(name)
    fault = aws.fault if not aws.fault_on or name in aws.fault_on else None
    account = account_of(aws)
    account.asked.append(name)
    if fault in {"timeout", "lost-answer"}:
        return 0, {}, b""
    if fault is not None:
        status, code = REFUSALS[fault]
        return write(model, name, None, (code, f"injected {fault}"), status)
    try:
        if operation.input_shape is not None:
            check(operation.input_shape, parameters)
        with aws.lock:
            aws.calls.append((name, parameters))
            answer = getattr(account, name)(region, **parameters)
        check(operation.output_shape, answer)
    except ModelError as error:
        aws.violations.append((name, str(error)))
        return write(model, name, None, ("ValidationError", str(error)), 400)
    except Refused as error:
        status, code = REFUSALS[error.fault]
        return write(model, name, None, (code, str(error)), status)
    return write(model, name, answer, None, 200)


def _parsed(shape, asked, prefix=""):
    """Parameters of the query protocol, by the model: `ActionNames.member.1`."""
    found = {}
    for name, member in shape.members.items() if shape is not None else ():
        value = _value(member, asked, f"{prefix}{name}")
        if value is not None:
            found[name] = value
    return found


def _value(shape, asked, path):
    if not any(one == path or one.startswith(f"{path}.") for one in asked):
        return None
    if shape.type_name == "structure":
        return _parsed(shape, asked, f"{path}.")
    if shape.type_name == "list":
        count = 1
        values = []
        while (value := _value(shape.member, asked, f"{path}.member.{count}")) is not None:
            values.append(value)
            count += 1
        return values
    return cast(shape, asked[path])


def _as_xml(model, name, answer, error, status):
    """The query protocol's envelope."""
    space = model.metadata["xmlNamespace"]
    if error is not None:
        told = f"<Type>Sender</Type><Code>{error[0]}</Code><Message>{escape(error[1])}</Message>"
        body = f'<ErrorResponse xmlns="{space}"><Error>{told}</Error></ErrorResponse>'
    else:
        inner = _elements(model.operation_model(name).output_shape, answer)
        body = f"<{name}Result>{inner}</{name}Result>"
        body = f'<{name}Response xmlns="{space}">{body}</{name}Response>'
    return status, {"Content-Type": "text/xml"}, body.encode()


def _elements(shape, value):
    if shape.type_name == "structure":
        parts = ((name, _elements(shape.members[name], one)) for name, one in value.items())
        return "".join(f"<{name}>{inner}</{name}>" for name, inner in parts)
    if shape.type_name == "list":
        return "".join(f"<member>{_elements(shape.member, one)}</member>" for one in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _as_cbor(model, name, answer, error, status):
    del name
    body = answer if error is None else _fault(model, error)
    raw = cbor2.dumps(body, timezone=UTC, datetime_as_timestamp=True)
    return status, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, raw


def _as_json(model, name, answer, error, status):
    del name
    body = answer if error is None else _fault(model, error)
    raw = json.dumps(body, default=datetime.timestamp).encode()
    return status, {"Content-Type": "application/x-amz-json-1.0"}, raw


def _fault(model, error):
    code, message = error
    return {"__type": f"com.amazonaws.{model.service_name}#{code}", "message": message}
