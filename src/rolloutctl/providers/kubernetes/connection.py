"""Which cluster, and as whom: kubeconfig and in-cluster configuration, as the client reads them.

The official client is imported at the first call. It decides about certificates, tokens and
credential plug-ins; its own choice of a configuration is not used, because it prints.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolloutctl.errors import NotFound, Rejected, Unauthorized
from rolloutctl.providers.kubernetes.place import IN_CLUSTER, TargetSpec

#: Where kubectl looks when nothing else is said.
_DEFAULT_FILE = "~/.kube/config"
#: Clusters whose connection is kept.
CONNECTIONS_MAX = 16
#: Calls in parallel on one cluster: a kill of many objects.
POOL_MAX = 32


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster's address, the pool that trusts it, and the client's own configuration."""

    url: str
    pool: Any  # Any: urllib3's PoolManager, made by the client
    configuration: Any

    def headers(self) -> dict[str, str]:
        """Who asks: read anew at each call, because tokens are rotated."""
        settings = self.configuration.auth_settings().values()
        return {each["key"]: each["value"] for each in settings if each.get("value")}


def connect(spec: TargetSpec) -> Connection:
    """The connection of a target, made once. Raises `NotFound`, `Rejected`, `Unauthorized`."""
    return _connection(spec.context, kubeconfig_of(spec))


def forget() -> None:
    """After a refusal: certificates and credential plug-ins are read again."""
    _connection.cache_clear()


def kubeconfig_of(spec: TargetSpec) -> str:
    """The file, or the files as $KUBECONFIG lists them; "" inside a cluster."""
    if spec.context == IN_CLUSTER:
        return ""
    # The client reads $KUBECONFIG when it is imported: too early for whoever sets it later.
    written = spec.kubeconfig or os.environ.get("KUBECONFIG", "") or _DEFAULT_FILE
    return os.pathsep.join(str(Path(each).expanduser()) for each in written.split(os.pathsep))


@functools.lru_cache(maxsize=CONNECTIONS_MAX)
def _connection(context: str, files: str) -> Connection:
    from kubernetes import client  # noqa: PLC0415 - slow, only who uses a cluster pays

    config = _loaders()
    configuration = client.Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = POOL_MAX
    try:
        if context == IN_CLUSTER:
            config.load_incluster_config(client_configuration=configuration)
        else:
            _raise_unless_named(context, files)
            with _overheard() as said:
                config.load_kube_config(
                    files, context, client_configuration=configuration, persist_config=False
                )
            if said:
                raise _plug_in_failed(context, said[-1])
    except config.ConfigException as error:
        raise _unusable(context, files, error) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, _yaml_error()) as error:
        hint = f"try it: kubectl --context {context} version"
        raise Rejected(f"kubeconfig {files} cannot be used: {error}", hint=hint) from error
    pool = client.ApiClient(configuration).rest_client.pool_manager
    return Connection(str(configuration.host).rstrip("/"), pool, configuration)


def _yaml_error() -> type[Exception]:
    """What the client lets through of a file that is no YAML."""
    from yaml import YAMLError  # noqa: PLC0415 - loaded with the client

    return YAMLError


def _loaders() -> Any:
    """The client's readers of configurations, which have no types."""
    from kubernetes import config  # noqa: PLC0415 - slow

    return config


def _raise_unless_named(context: str, files: str) -> None:
    if not any(Path(each).is_file() for each in files.split(os.pathsep)):
        raise NotFound(
            f"kubeconfig {files} does not exist",
            hint=f"set KUBECONFIG, or kubeconfig: in the target; in a pod: context: {IN_CLUSTER}",
        )
    contexts, _ = _loaders().list_kube_config_contexts(files)
    names = sorted(each["name"] for each in contexts)
    if context not in names:
        raise NotFound(
            f"kubeconfig {files} has no context {context!r}",
            hint=f"it has: {', '.join(names) or 'none'}",
        )


def _unusable(context: str, files: str, error: Exception) -> Exception:
    if context == IN_CLUSTER:
        return Rejected(
            f"no cluster around this process: {error}",
            hint="outside a pod name a context: kubectl config get-contexts",
        )
    if "exec" in str(error).lower():
        return _plug_in_failed(context, str(error))
    hint = f"try it: kubectl --context {context} version"
    return Rejected(f"kubeconfig {files} cannot be used: {error}", hint=hint)


def _plug_in_failed(context: str, said: str) -> Unauthorized:
    hint = f"try it: kubectl --context {context} auth whoami"
    return Unauthorized(f"the credential plug-in of {context} failed: {said}", hint=hint)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the client logs as an error in this thread, instead of raising it.

    It logs that a credential plug-in failed, on the terminal, and goes on as nobody.
    """
    said: list[str] = []
    handler = _Listener(said)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield said
    finally:
        root.removeHandler(handler)


class _Listener(logging.Handler):
    """Keeps the messages of the thread that made it."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said, self._thread = said, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        if record.thread == self._thread:
            self._said.append(record.getMessage())
