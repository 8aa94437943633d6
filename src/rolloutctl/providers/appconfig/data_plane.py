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

#: The shortest poll interval that AWS takes, in seconds.
POLL_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one session got: the bytes, and the version's label where it has one."""

    content: bytes
    label: str

    def flag(self, target: Target) -> Value | None:
        """Our flag's value as applications get it; None if it is not there, or not readable."""
        try:
            document = json.loads(self.content)
        except ValueError:
            return None
        found = document.get(spec_of(target).flag) if isinstance(document, dict) else None
        return found if isinstance(found, dict) else None


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
