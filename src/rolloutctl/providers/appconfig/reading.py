"""What is in force: the newest deployment of the profile, its version, our flag in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rolloutctl.clock import SystemClock
from rolloutctl.core.answers import Observation
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.flag import Value, served
from rolloutctl.providers.appconfig.place import format_address, is_whole, spec_of

#: Deployments of an environment on one page; AWS's own maximum. Newest first.
PAGE = 50
#: Deployments that may be looked at to find the profile's newest one.
LOOKS_MAX = 20
#: A whole document; AppConfig's own limit of a hosted version is 2 MiB.
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
IN_FLIGHT = frozenset({"DEPLOYING", "BAKING", "VALIDATING", "ROLLING_BACK"})
UNDONE = frozenset({"ROLLED_BACK", "REVERTED"})
#: How each of our deployments is described; by it we know our own.
OURS = "rolloutctl: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """What the environment's newest deployments say of one profile.

    Attributes:
        latest: the newest deployment's number, whoever's.
        deployment: the profile's newest deployment that was not undone.
        in_flight: the environment's deployment that blocks the next one, or None.
        undone: the environment's newest deployment if it is the profile's and was undone.
    """

    latest: int
    deployment: dict[str, Any]  # Any: AWS's answer as boto3 gives it
    in_flight: dict[str, Any] | None
    undone: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One consistent look.

    Attributes:
        latest: the newest deployment's number in the environment, whoever's: what the
            next StartDeployment names, so that nothing in between goes unseen.
        deployment: the profile's newest deployment that was not undone.
        in_flight: the environment's deployment that blocks the next one, or None.
        document: the whole document in force.
    """

    latest: int
    deployment: dict[str, Any]  # Any: AWS's answer as boto3 gives it
    in_flight: dict[str, Any] | None
    document: Value
    target: Target

    @property
    def value(self) -> Value:
        """Our flag's value. Raises `NotFound` with the flags there are."""
        return value_of(self.document, self.target)

    @property
    def version(self) -> str:
        """Moves with every deployment, and when one is undone."""
        return f"{self.latest}.{self.deployment['DeploymentNumber']}"

    @property
    def transit(self) -> str:
        """Why what is served is not settled; "" when it is. Baking serves everybody."""
        flight = self.in_flight
        if flight is None or flight["State"] == "BAKING":
            return ""
        if flight.get("ConfigurationProfileId") != spec_of(self.target).profile:
            return ""
        number, state = flight["DeploymentNumber"], flight["State"]
        return f"deployment {number} is {state} at {flight.get('PercentageComplete', 0):g}%"

    @property
    def exposure(self) -> tuple[Exposure | None, str]:
        """What is served, or None and why it cannot be said."""
        if self.transit:
            return None, self.transit
        return served(self.value, self.target)

    @property
    def fingerprint(self) -> str:
        """Hash of our flag's value."""
        text = json.dumps(self.value, sort_keys=True) + self.transit
        return hashlib.sha256(text.encode()).hexdigest()

    def observation(self) -> Observation:
        """As the port wants it."""
        exposure, detail = self.exposure
        description = str(self.deployment.get("Description", ""))
        return Observation(
            at=SystemClock().now(),
            exposure=exposure,
            version=self.version,
            fingerprint=self.fingerprint,
            snapshot={"version": self.deployment["ConfigurationVersion"], "value": self.value},
            editor="" if description.startswith(OURS) else f"deployment: {description}"[:80],
            detail=detail,
        )


def value_of(document: Value, target: Target) -> Value:
    """Our flag's value in a document. Raises `NotFound` with the flags there are."""
    values = document.get("values", {})
    flag = spec_of(target).flag
    if not isinstance(values.get(flag), dict):
        raise NotFound(
            f"{format_address(target)}: the document in force has no flag {flag!r}",
            hint=f"its flags: {', '.join(sorted(values)) or 'none'}",
        )
    found: Value = values[flag]
    return found


def look(api: Api, target: Target) -> Deployments:
    """Looks. Raises `NotFound` if nothing was ever deployed, and the mapped errors."""
    found = api.read("list_deployments", **api.place, MaxResults=PAGE).get("Items", [])
    # AWS lists the newest first; an emulator was seen to list the oldest first.
    items = sorted(found, key=lambda one: -int(one["DeploymentNumber"]))
    looked: dict[int, dict[str, Any]] = {}  # Any: as above
    deployment = in_flight = None
    for item in items[:LOOKS_MAX]:
        is_blocking = item["State"] in IN_FLIGHT
        if item["State"] in UNDONE or (deployment is not None and not is_blocking):
            continue
        number = item["DeploymentNumber"]
        looked[number] = api.read("get_deployment", **api.place, DeploymentNumber=number)
        in_flight = looked[number] if is_blocking and in_flight is None else in_flight
        is_ours = looked[number]["ConfigurationProfileId"] == spec_of(target).profile
        if is_ours and deployment is None and item["State"] != "ROLLING_BACK":
            deployment = looked[number]
    if deployment is not None:
        deployment = _numbered(api, deployment)
    if deployment is None:
        raise NotFound(
            f"{format_address(target)}: the profile is in none of the environment's newest"
            f" {LOOKS_MAX} deployments",
            hint="deploy its document once: aws appconfig start-deployment",
        )
    return Deployments(
        latest=items[0]["DeploymentNumber"],
        deployment=deployment,
        in_flight=in_flight,
        undone=_undone(api, items[0], target),
    )


def _numbered(
    api: Api,
    deployment: dict[str, Any],  # Any: AWS's answer
) -> dict[str, Any]:  # Any: as above
    """With its version as a number: an emulator was seen to answer the label it was begun with."""
    label = str(deployment["ConfigurationVersion"])
    if label.isdigit():
        return deployment
    named = api.read("list_hosted_configuration_versions", **api.profile, VersionLabel=label)
    for one in named.get("Items", []):
        if one.get("VersionLabel") == label:
            return {**deployment, "ConfigurationVersion": str(one["VersionNumber"])}
    return deployment


def _undone(api: Api, newest: dict[str, Any], target: Target) -> dict[str, Any] | None:
    """Only where whole versions are deployed: a flag's own writes see their end themselves."""
    if newest["State"] not in UNDONE or not is_whole(target):
        return None
    found = api.read("get_deployment", **api.place, DeploymentNumber=newest["DeploymentNumber"])
    return found if found["ConfigurationProfileId"] == spec_of(target).profile else None


def read(api: Api, target: Target) -> View:
    """Looks, and reads the document in force. Raises as `look`."""
    seen = look(api, target)
    return View(
        latest=seen.latest,
        deployment=seen.deployment,
        in_flight=seen.in_flight,
        document=read_document(api, str(seen.deployment["ConfigurationVersion"])),
        target=target,
    )


def read_document(api: Api, number: str) -> Value:
    """A hosted version's document. Raises `Rejected` if it holds no feature flags."""
    if not number.isdigit():
        raise Rejected(
            f"version {number!r} is not hosted by AppConfig",
            hint="only profiles whose LocationUri is `hosted` can be driven",
        )
    try:
        answer = api.read(
            "get_hosted_configuration_version", **api.profile, VersionNumber=int(number)
        )
    except NotFound as error:
        message = f"hosted version {number} is deployed or was, and is deleted"
        hint = "store and deploy the right document: aws appconfig start-deployment"
        raise NotFound(f"{message} ({error.message})", hint=hint) from error
    raw = answer["Content"].read(DOCUMENT_BYTES_MAX)
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("values"), dict):
        raise Rejected(
            f"hosted version {number} is no document of feature flags",
            hint="the profile's type must be AWS.AppConfig.FeatureFlags",
        )
    return document


def blocking(flight: dict[str, Any]) -> str:  # Any: AWS's answer
    """Whose deployment is in the way, since when, and how long still."""
    started, ends = flight.get("StartedAt"), ends_at(flight)
    text = (
        f"deployment {flight['DeploymentNumber']} of {flight.get('ConfigurationName', '?')}"
        f" is {flight['State']}"
    )
    if described := flight.get("Description"):
        text += f" ({described:.80})"
    if started is None or ends is None:
        return text
    return f"{text} since {started:%Y-%m-%d %H:%M:%SZ}, at most until {ends:%H:%M:%SZ}"


def ends_at(flight: dict[str, Any]) -> datetime | None:  # Any: AWS's answer
    """When a deployment is complete at the latest, its bake included; None if it does not say."""
    started: datetime | None = flight.get("StartedAt")
    minutes = flight.get("DeploymentDurationInMinutes", 0) + flight.get("FinalBakeTimeInMinutes", 0)
    return started + timedelta(minutes=minutes) if started is not None else None
