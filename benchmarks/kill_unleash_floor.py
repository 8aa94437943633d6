"""The floor for `rolloutctl kill` of a plain Unleash flag: turn it off, read it back.

Usage: python benchmarks/kill_unleash_floor.py HOST:PORT PROJECT ENVIRONMENT FLAG
"""

from __future__ import annotations

import http.client
import json
import os
import sys


def main(host: str, project: str, environment: str, flag: str) -> int:
    """Turns the flag off in the environment; 20 if it is not seen to be off."""
    connection = http.client.HTTPConnection(host, timeout=10)
    headers = {"Authorization": os.environ["UNLEASH_ADMIN_TOKEN"]}
    path = f"/api/admin/projects/{project}/features/{flag}/environments/{environment}"
    connection.request("POST", f"{path}/off", headers=headers)
    connection.getresponse().read()
    connection.request("GET", path, headers=headers)
    return 20 if json.loads(connection.getresponse().read())["enabled"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
