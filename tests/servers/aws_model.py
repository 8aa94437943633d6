"""AWS's own service models, from botocore, as the judge of requests and responses.

Only REST-JSON services (AppConfig, AppConfigData). No schema of ours: what botocore's model
does not allow is a `ModelError`, in what the adapter sends and in what the fake answers.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
from botocore.validate import ParamValidator

_S = botocore.session.get_session()


class ModelError(AssertionError):
    """A request or a response that AWS's own model does not allow."""


def check(shape, value, path=""):
    """Raises `ModelError` for a value that the shape does not allow.

    ParamValidator checks types, required members and minimums only; maximums, enums and
    patterns, which it leaves to the service, are checked here.
    """
    report = ParamValidator().validate(value, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    problems += _deep(shape, value, path or shape.name)
    if problems:
        raise ModelError("; ".join(problems))


def _deep(shape, value, path):
    """Every problem of a value and of what is in it."""
    most = shape.metadata.get("max")
    is_number = shape.type_name in {"integer", "long", "float", "double"}
    size = value if is_number else len(value) if hasattr(value, "__len__") else 0
    if most is not None and size > most:
        yield f"{path}: {size} is over the maximum {most}"
    if shape.type_name == "structure":
        if extra := set(value) - set(shape.members):
            yield f"{path}: unknown members {sorted(extra)}"
        for name in set(value) & set(shape.members):
            yield from _deep(shape.members[name], value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, each in enumerate(value):
            yield from _deep(shape.member, each, f"{path}[{index}]")
    elif shape.type_name == "string":
        yield from _text_problems(shape, value, path)


def _text_problems(shape, value, path):
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} not one of {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(pattern, value):
        yield f"{path}: {value!r} does not match {pattern}"


def cast(shape, raw):
    """A text of the address or a header, as the shape's type."""
    types = {"integer": int, "long": int, "float": float, "boolean": lambda text: text == "true"}
    return types.get(shape.type_name, str)(raw)


class Model:
    """(method, path) -> operation, params; and result -> (status, headers, body)."""

    def __init__(self, *services):
        self.routes = []
        for s in services:
            m = _S.get_service_model(s)
            for n in m.operation_names:
                op = m.operation_model(n)
                uri = op.http["requestUri"].split("?")[0]
                rx = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(uri).replace("\\_", "_"))
                self.routes.append((op.http["method"], re.compile(f"^{rx}/?$"), op))

    def parse(self, method, target, headers, body):
        u = urlsplit(target)
        q = {k: v[0] for k, v in parse_qs(u.query).items()}
        for meth, rx, op in self.routes:
            m = rx.match(u.path)
            if meth != method or not m:
                continue
            shape, params = op.input_shape, {}
            payload = shape.serialization.get("payload")
            doc = json.loads(body) if body and not payload else {}
            for name, sh in shape.members.items():
                ser = sh.serialization
                wire, loc = ser.get("name", name), ser.get("location")
                if loc == "uri" and wire in m.groupdict():
                    params[name] = cast(sh, unquote(m.group(wire)))
                elif loc == "querystring" and wire in q:
                    params[name] = cast(sh, q[wire])
                elif loc == "header" and headers.get(wire) is not None:
                    params[name] = cast(sh, headers[wire])
                elif name == payload:
                    params[name] = body
                elif not loc and wire in doc:
                    params[name] = doc[wire]
            return op, params
        return None, None

    def render(self, op, result):
        shape = op.output_shape
        if shape is None:
            return op.http["responseCode"], {}, b""
        result = {k: v for k, v in result.items() if v is not None}
        check(shape, result)
        hdr, doc, payload = {}, {}, shape.serialization.get("payload")
        for k, v in result.items():
            ser = shape.members[k].serialization
            if ser.get("location") == "header":
                hdr[ser.get("name", k)] = str(v)
            elif k != payload:
                doc[ser.get("name", k)] = v
        if payload:
            return op.http["responseCode"], hdr, result.get(payload, b"")
        raw = json.dumps(
            doc,
            default=lambda o: (
                o.isoformat() if isinstance(o, datetime) else base64.b64encode(o).decode()
            ),
        )
        return op.http["responseCode"], {"Content-Type": "application/json", **hdr}, raw.encode()
