"""The floor for `rolloutctl kill` of a LaunchDarkly flag: one read, one patch, nothing else.

Usage: python benchmarks/kill_launchdarkly_floor.py HOST:PORT PROJECT ENVIRONMENT FLAG NAME
"""

from __future__ import annotations

import http.client
import json
import os
import sys


def main(host: str, project: str, environment: str, flag: str, name: str) -> int:
    """Serves the variation of that name to everybody by the default rule."""
    connection = http.client.HTTPConnection(host, timeout=10)
    headers = {
        "Authorization": os.environ["LAUNCHDARKLY_API_TOKEN"],
        "LD-API-Version": "20240415",
    }
    path = f"/api/v2/flags/{project}/{flag}"
    connection.request("GET", f"{path}?env={environment}", headers=headers)
    variations = json.loads(connection.getresponse().read())["variations"]
    safe = next(each["_id"] for each in variations if each["value"] == name)
    kind = "updateFallthroughVariationOrRollout"
    body = {
        "environmentKey": environment,
        "instructions": [{"kind": kind, "variationId": safe}],
    }
    semantic = "application/json; domain-model=launchdarkly.semanticpatch"
    connection.request("PATCH", path, json.dumps(body), {**headers, "Content-Type": semantic})
    return 0 if connection.getresponse().status == http.client.OK else 20


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
