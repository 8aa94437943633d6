"""Hosted versions of a flag document: stored, and one that is there already used again.

A version that rolloutctl stores is labelled by its content, so that a write that is tried
again, or a second kill, piles up no copies.
SAFETY: `LatestVersionNumber` names the newest version that was seen, whoever's: AWS refuses
the store (409) where another was stored in between.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rolloutctl.errors import Conflict, RolloutctlError
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.data_plane import content_of
from rolloutctl.providers.appconfig.flag import Value
from rolloutctl.providers.appconfig.reading import OURS

#: Versions on one page; AWS's own maximum.
PAGE = 50
#: Pages looked at where the newest does not come first.
PAGES_MAX = 20
#: AWS takes 1,024 characters of description, ASCII only.
DESCRIPTION_CHARS = 200
_LABEL = "rolloutctl-"
_LABEL_HEX = 32


def stored_version(api: Api, document: Value, what: str, *, is_kill: bool = False) -> str:
    """The number of a version with this document, which nobody need be served yet.

    A kill takes no lock: the newest version is nobody's business then.

    Raises:
        Conflict: another version was stored meanwhile.
    """
    content = json.dumps(document, indent=2).encode()
    label = _LABEL + hashlib.sha256(content).hexdigest()[:_LABEL_HEX]
    try:
        found = _listed(api)
    except RolloutctlError:
        if not is_kill:
            raise
        found = []
    same = _same(api, found, label, content)
    if same:
        return same
    newest = max((int(one["VersionNumber"]) for one in found), default=0)
    lock = {} if is_kill else {"LatestVersionNumber": newest}
    try:
        return _create(api, content, what, VersionLabel=label, **lock)
    except Conflict:
        if is_kill:
            return _create(api, content, what)
        # The label is an older copy's than was looked at, or somebody stored a version.
        same = _same(api, _page(api, VersionLabel=label).get("Items", []), label, content)
        if not same:
            raise
        return same


def described(what: str) -> str:
    """A description by which we know our own."""
    return f"{OURS}{what}".encode("ascii", "replace").decode()[:DESCRIPTION_CHARS]


def _create(api: Api, content: bytes, what: str, **named: Any) -> str:  # Any: AWS's own types
    answer = api.write(
        "create_hosted_configuration_version",
        **api.profile,
        Content=content,
        ContentType="application/json",
        Description=described(what),
        **named,
    )
    return str(answer["VersionNumber"])


def _same(api: Api, found: list[dict[str, Any]], label: str, content: bytes) -> str:
    """The labelled one, if it has the content: the label alone proves nothing."""
    for one in found:
        number = str(one["VersionNumber"])
        if one.get("VersionLabel") == label and content_of(api, number).content == content:
            return number
    return ""


def _listed(api: Api) -> list[dict[str, Any]]:  # Any: AWS's answer
    """The newest versions; all of them where a service lists the oldest first."""
    page = _page(api)
    found = list(page.get("Items", []))
    is_newest_first = not found or found[0]["VersionNumber"] >= found[-1]["VersionNumber"]
    for _ in range(PAGES_MAX):
        if is_newest_first or not page.get("NextToken"):
            break
        page = _page(api, NextToken=page["NextToken"])
        found += page.get("Items", [])
    return found


def _page(api: Api, **named: str) -> dict[str, Any]:  # Any: AWS's answer
    return api.read("list_hosted_configuration_versions", **api.profile, MaxResults=PAGE, **named)
