"""The floor for `rolloutctl kill` of AppConfig flags: boto3, the same calls, and no care.

Nothing is retried, nobody else's deployment is looked for, no journal is fenced; the
environments are done one after the other. Each is looked at LOOKS times more at its end.

Usage: python benchmarks/kill_appconfig_floor.py REGION APPLICATION PROFILE FLAG CONTROL
           LOOKS ENVIRONMENT…
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import boto3

STRATEGY = "rolloutctl-at-once"


def main(place: list[str], looks: int, environments: list[str]) -> int:
    """The control for everybody, in each environment; 20 where one does not serve it."""
    region, application, profile, flag, control = place
    aws, data = (boto3.client(name, region_name=region) for name in ("appconfig", "appconfigdata"))
    held = {"ApplicationId": application, "ConfigurationProfileId": profile}
    for environment in environments:
        where = {"ApplicationId": application, "EnvironmentId": environment}
        latest, document = _in_force(aws, where, held)
        variants = document["values"][flag]["_variants"]
        for each in variants:
            each["rule"] = "(split pct::0 by::$userId)"
        default = next(each for each in variants if each["name"] == control)
        del default["rule"]
        variants.sort(key=lambda each: each is default)
        aws.start_deployment(
            **where,
            ConfigurationProfileId=profile,
            ConfigurationVersion=_stored(aws, held, json.dumps(document, indent=2).encode()),
            DeploymentStrategyId=_strategy(aws),
            LatestDeploymentNumber=latest,
        )
        confirmed = [_in_force(aws, where, held)[1] == document]
        confirmed.append(_served(data, [application, environment, profile]) == document["values"])
        confirmed += [_in_force(aws, where, held)[1] == document for _ in range(looks)]
        if not all(confirmed):
            return 20
    return 0


def _in_force(aws: Any, where: Any, held: Any) -> tuple[int, Any]:  # Any: boto3 has no types
    """The newest deployment's number, and its document."""
    newest = aws.list_deployments(**where)["Items"][0]["DeploymentNumber"]
    version = aws.get_deployment(**where, DeploymentNumber=newest)["ConfigurationVersion"]
    found = aws.get_hosted_configuration_version(**held, VersionNumber=int(version))
    return newest, json.loads(found["Content"].read())


def _stored(aws: Any, held: Any, content: bytes) -> str:  # Any: same
    """A version with this content, made where there is none."""
    label = f"rolloutctl-{hashlib.sha256(content).hexdigest()[:32]}"
    for one in aws.list_hosted_configuration_versions(**held)["Items"]:
        if one.get("VersionLabel") == label:
            number = one["VersionNumber"]
            found = aws.get_hosted_configuration_version(**held, VersionNumber=number)
            if found["Content"].read() == content:
                return str(number)
    made = aws.create_hosted_configuration_version(
        **held, Content=content, ContentType="application/json", VersionLabel=label
    )
    return str(made["VersionNumber"])


def _strategy(aws: Any) -> str:  # Any: same
    found = aws.list_deployment_strategies()["Items"]
    return next(str(each["Id"]) for each in found if each["Name"] == STRATEGY)


def _served(data: Any, place: list[str]) -> Any:  # Any: same
    """What an application gets."""
    application, environment, profile = place
    session = data.start_configuration_session(
        ApplicationIdentifier=application,
        EnvironmentIdentifier=environment,
        ConfigurationProfileIdentifier=profile,
    )
    token = session["InitialConfigurationToken"]
    answer = data.get_latest_configuration(ConfigurationToken=token)
    return json.loads(answer["Configuration"].read())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:6], int(sys.argv[6]), sys.argv[7:]))
