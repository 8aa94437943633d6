"""What the tests of who acts on AppConfig, and of what it may, ask a world."""

from __future__ import annotations

from rolloutctl.core.observation import Severity
from servers.fake_iam import NUMBER


def probed(world, severity=None):
    """The messages of the probe, of one severity or all."""
    found = world.provider.probe(world.target)
    return [one.message for one in found if severity is None or one.severity is severity]


def refused(world):
    return probed(world, Severity.REFUSE)


def deny(action, resource="*", **condition):
    return {"Effect": "Deny", "Action": action, "Resource": resource, "Condition": condition}


def arns_of(world):
    """Kind of resource -> its ARN, written here by hand."""
    app, environment, profile = world.ids
    root = f"arn:aws:appconfig:eu-west-1:{NUMBER}:application/{app}"
    return {
        "application": root,
        "environment": f"{root}/environment/{environment}",
        "profile": f"{root}/configurationprofile/{profile}",
        "deployment": f"{root}/environment/{environment}/deployment/1",
        "configuration": f"{root}/environment/{environment}/configuration/{profile}",
    }


def simulated(world):
    """What IAM was asked, by action: its resources, none for `*`."""
    asked = [given for name, given in world.aws.calls if name == "SimulatePrincipalPolicy"]
    return {
        action.partition(":")[2]: set(given.get("ResourceArns", ()))
        for given in asked
        for action in given["ActionNames"]
    }
