"""AppConfig's documents of feature flags: what it refuses to store, and how it serves them."""

from __future__ import annotations

import json
import re

from servers.fake_aws_http import Err

FLAG_KEY = re.compile(r"^[a-z][a-zA-Z\d_-]{0,63}$")


def refuse(why, kind="feature-flags"):
    """As AWS refuses what a profile's type or its validators do not take."""
    raise Err(
        "BadRequestException",
        "Error while validating the configuration",
        Reason="InvalidConfiguration",
        Details={"InvalidConfiguration": [{"Reason": why, "Type": kind}]},
    )


def check_flags(content):
    try:
        d = json.loads(content)
    except ValueError:
        refuse("not JSON")
    if (
        not isinstance(d, dict)
        or d.get("version") != "1"
        or set(d) - {"version", "flags", "values"}
    ):
        refuse('needs "version": "1" and only flags/values beside it')
    for k, v in d.get("values", {}).items():
        if not FLAG_KEY.match(k) or k not in d.get("flags", {}):
            refuse(f"value for undeclared flag {k}")
        vs = v.get("_variants")
        if vs and ("rule" in vs[-1] or any("rule" not in x for x in vs[:-1])):
            refuse(f"{k}: the default variant (no rule) must be last")
    return d


def retrieved(value):
    """A flag as the data plane sends it: attributes only while it is on.

    Variants go out as they are, for the Agent to evaluate: an assumption, not yet seen on AWS.
    """
    if "_variants" in value:
        return value
    return value if value.get("enabled") else {"enabled": False}
