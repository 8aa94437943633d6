"""What the data plane serves: a session, opened as an application opens it.

Each session is asked once, so its poll interval never matters. AWS bills each as two calls.
https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_Operations_AWS_AppConfig_Data.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from rolloutctl.core.target import Target
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.flag import Value
from rolloutctl.providers.appconfig.place import spec_of
from rolloutctl.providers.appconfig.reading import DOCUMENT_BYTES_MAX

#: The parts of a stored document of feature flags.
_DOCUMENT = {"version", "flags", "values"}
#: The shortest poll interval that AWS takes, in seconds.
POLL_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one session got: the bytes, and the version's label where it has one."""

    content: bytes
    label: str

    def flag(self, target: Target) -> Value | None:
        """Our flag's value as applications get it; None if it is not there, or not readable."""
        found = _mapping(self.content).get(spec_of(target).flag)
        return found if isinstance(found, dict) else None

    @property
    def is_flags(self) -> bool:
        """Is it a whole document of feature flags, as it is stored?"""
        return set(_mapping(self.content)) == _DOCUMENT

    def is_got_as(self, got: Served) -> bool:
        """Is `got` what a session gets of this stored version?

        Of feature flags it gets the values alone, without the attributes of those that are off.
        """
        if got.content == self.content or not self.is_flags:
            return got.content == self.content
        values = _mapping(self.content)["values"]
        return isinstance(values, dict) and _plain(_mapping(got.content)) == _plain(values)


def _mapping(content: bytes) -> Value:
    """The JSON object; an empty one where it is none."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _plain(values: Value) -> Value:
    """Flags by name; one that is off has nothing beside that."""
    off = {"enabled": False}
    return {
        name: off if isinstance(one, dict) and one.get("enabled") is False else one
        for name, one in values.items()
    }


def open_session(api: Api, target: Target) -> Served:
    """Opens a session and asks it once. Raises the mapped errors."""
    spec = spec_of(target)
    session = api.data(
        "start_configuration_session",
        ApplicationIdentifier=spec.application,
        EnvironmentIdentifier=spec.environment,
        ConfigurationProfileIdentifier=spec.profile,
        RequiredMinimumPollIntervalInSeconds=POLL_S,
    )
    token = session["InitialConfigurationToken"]
    answer = api.data("get_latest_configuration", ConfigurationToken=token)
    content = answer["Configuration"].read(DOCUMENT_BYTES_MAX)
    return Served(content=content, label=answer.get("VersionLabel") or "")


def content_of(api: Api, number: str) -> Served:
    """What a session gets that is served the hosted version. Raises the mapped errors."""
    answer = api.read("get_hosted_configuration_version", **api.profile, VersionNumber=int(number))
    content = answer["Content"].read(DOCUMENT_BYTES_MAX)
    return Served(content=content, label=answer.get("VersionLabel") or "")
