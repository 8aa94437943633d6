"""What `kubectl get` prints: the server itself makes the table, as a real one does."""

from __future__ import annotations

from datetime import datetime

from rolloutctl.clock import SystemClock

ASKED = "as=Table"
#: `kubectl get endpointslices` shows so many addresses and says how many more there are.
ADDRESSES_MAX = 3
_WIDE = 1


def _pod_ready(value):
    states = value.get("status", {}).get("containerStatuses", ())
    return f"{sum(each['ready'] for each in states)}/{len(states)}"


def _pod_status(value):
    for each in value.get("status", {}).get("containerStatuses", ()):
        if reason := each["state"].get("waiting", {}).get("reason"):
            return reason
    return value.get("status", {}).get("phase", "Unknown")


def _restarts(value):
    return sum(each["restartCount"] for each in value["status"].get("containerStatuses", ()))


def _deployment_ready(value):
    return f"{value.get('status', {}).get('readyReplicas', 0)}/{value['spec'].get('replicas', 1)}"


def _status(name):
    return lambda value: value.get("status", {}).get(name, 0)


def _ports(value):
    ports = value["spec"].get("ports", ()) if "spec" in value else value.get("ports", ())
    return ",".join(f"{each['port']}/{each.get('protocol', 'TCP')}" for each in ports) or "<none>"


def _slice_ports(value):
    return ",".join(str(each["port"]) for each in value.get("ports", ())) or "<unset>"


def _selector(value):
    pairs = (value["spec"].get("selector") or {}).items()
    return ",".join(f"{name}={each}" for name, each in pairs) or "<none>"


def _endpoints(value):
    found = [each["addresses"][0] for each in value.get("endpoints") or ()]
    more = f" + {len(found) - ADDRESSES_MAX} more..." if len(found) > ADDRESSES_MAX else ""
    return (",".join(found[:ADDRESSES_MAX]) + more) or "<unset>"


def _hostnames(value):
    return ",".join(value["spec"].get("hostnames", ())) or "<none>"


def _age(value):
    made = datetime.fromisoformat(value["metadata"]["creationTimestamp"])
    seconds = int((SystemClock().now() - made).total_seconds())
    return f"{seconds}s" if seconds < 120 else f"{seconds // 60}m"


#: plural -> (title, what stands there, priority) after the name; 1 is for --output wide
COLUMNS = {
    "services": [
        ("Type", lambda value: value["spec"].get("type", "ClusterIP"), 0),
        ("Cluster-IP", lambda value: value["spec"].get("clusterIP", "<none>"), 0),
        ("Port(s)", _ports, 0),
        ("Age", _age, 0),
        ("Selector", _selector, _WIDE),
    ],
    "deployments": [
        ("Ready", _deployment_ready, 0),
        ("Up-to-date", _status("updatedReplicas"), 0),
        ("Available", _status("availableReplicas"), 0),
        ("Age", _age, 0),
    ],
    "pods": [
        ("Ready", _pod_ready, 0),
        ("Status", _pod_status, 0),
        ("Restarts", _restarts, 0),
        ("Age", _age, 0),
        ("IP", lambda value: value.get("status", {}).get("podIP", "<none>"), _WIDE),
    ],
    "endpointslices": [
        ("AddressType", lambda value: value["addressType"], 0),
        ("Ports", _slice_ports, 0),
        ("Endpoints", _endpoints, 0),
        ("Age", _age, 0),
    ],
    "httproutes": [("Hostnames", _hostnames, 0), ("Age", _age, 0)],
}
_DEFAULT = [("Age", _age, 0)]


def table_of(plural, values, version):
    """The rows of these objects, with what a client needs to go on watching."""
    columns = [("Name", lambda value: value["metadata"]["name"], 0)]
    columns += COLUMNS.get(plural, _DEFAULT)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [_column(name, priority) for name, _, priority in columns],
        "rows": [_row(columns, each) for each in values],
    }


def _column(name, priority):
    kind = "name" if name == "Name" else ""
    return {"name": name, "type": "string", "format": kind, "description": "", "priority": priority}


def _row(columns, value):
    part = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {
        "cells": [cell(value) for _, cell, _ in columns],
        "object": part | {"metadata": value["metadata"]},
    }
