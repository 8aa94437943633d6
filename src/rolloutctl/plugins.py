"""Finds providers, sources, notifiers, gates and step kinds by entry point.

Built-ins stand in `pyproject.toml` like everybody's; `BUILT_INS` repeats those lines (a
test compares them) so that the kill switch need not read the metadata of every installed
package first (15 ms beside 51 ms for `import typer`, measured on Python 3.11). A stranger
that claims a built-in's name never gets it, and is refused whenever names are listed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rolloutctl.errors import InvalidSettings, NotFound

OWN_DISTRIBUTION = "rolloutctl"

#: group -> name -> "module:Class"; equal to the entry points of `pyproject.toml`.
BUILT_INS: Mapping[str, Mapping[str, str]] = {
    "providers": {
        "appconfig": "rolloutctl.providers.appconfig:AppConfig",
        "flagd-file": "rolloutctl.providers.flagd_file:FlagdFile",
        "kubernetes": "rolloutctl.providers.kubernetes:Kubernetes",
        "launchdarkly": "rolloutctl.providers.launchdarkly:LaunchDarkly",
        "unleash": "rolloutctl.providers.unleash:Unleash",
    },
    "sources": {
        "prometheus": "rolloutctl.sources.prometheus:Prometheus",
        "openmetrics": "rolloutctl.sources.openmetrics:OpenMetrics",
        "alertmanager": "rolloutctl.sources.prometheus:Alertmanager",
        "kubernetes": "rolloutctl.providers.kubernetes.workloads:KubernetesSource",
        "cloudwatch": "rolloutctl.sources.cloudwatch:CloudWatch",
    },
    "notifiers": {
        "webhook": "rolloutctl.notifiers.webhook:Webhook",
        "slack": "rolloutctl.notifiers.slack:Slack",
        "pagerduty": "rolloutctl.notifiers.pagerduty:PagerDuty",
    },
    "gates": {
        "alarms": "rolloutctl.gates.alarms:Alarms",
        "alerts": "rolloutctl.gates.alerts:Alerts",
        "k8s-ready": "rolloutctl.gates.k8s_ready:K8sReady",
        "budget": "rolloutctl.gates.budget:Budget",
        "compare": "rolloutctl.gates.compare:Compare",
        "latency": "rolloutctl.gates.latency:Latency",
        "mean": "rolloutctl.gates.mean:Mean",
        "ratio-metric": "rolloutctl.gates.ratio_metric:RatioMetric",
        "sample-ratio": "rolloutctl.gates.sample_ratio:SampleRatio",
        "experiment": "rolloutctl.gates.experiment:ExperimentGate",
        "exposure": "rolloutctl.gates.exposure:ExposureGate",
        "threshold": "rolloutctl.gates.threshold:Threshold",
    },
    "steps": {
        "shadow": "rolloutctl.steps.shadow:Shadow",
        "canary": "rolloutctl.steps.canary:Canary",
        "deploy": "rolloutctl.steps.deploy:Deploy",
        "experiment": "rolloutctl.steps.experiment:ExperimentStep",
        "switch": "rolloutctl.steps.switch:Switch",
        "cleanup": "rolloutctl.steps.cleanup:Cleanup",
        "wait": "rolloutctl.steps.wait:Wait",
        "run": "rolloutctl.steps.run:Run",
        "notify": "rolloutctl.steps.notify:Notify",
    },
}

#: group -> what a class must have; equal to the protocols of `core.ports` (a test compares).
CONTRACTS: Mapping[str, tuple[str, ...]] = {
    "providers": (
        *("name", "capabilities", "TargetSpec", "address", "parse_address", "probe"),
        *("observe", "apply", "restore", "kill", "sample"),
    ),
    "sources": ("name", "Spec", "kinds", "probe", "query", "history"),
    "notifiers": ("name", "Spec", "notify"),
    "gates": ("name", "Spec", "problems", "queries", "texts", "query_kinds", "assess"),
    "steps": ("name", "Spec", "problems", "plan", "advance"),
}

#: What importing a stranger's module may raise and still be reported as the stranger's fault.
_IMPORT_FAILURES = (
    *(ImportError, SyntaxError, AttributeError, NameError, TypeError, ValueError),
    *(LookupError, OSError, RuntimeError, AssertionError),
)


class Registration(NamedTuple):
    """One entry point: who registers which class under which name."""

    group: str
    name: str
    reference: str
    distribution: str


def installed_registrations() -> Sequence[Registration]:
    """Every entry point of the `rolloutctl.*` groups on this Python path."""
    from importlib import metadata  # noqa: PLC0415 - 15 ms that only listing names needs

    found = metadata.entry_points()
    return [
        Registration(
            group=group,
            name=entry.name,
            reference=entry.value,
            distribution=entry.dist.name if entry.dist else "an unnamed distribution",
        )
        for group in BUILT_INS
        for entry in found.select(group=f"rolloutctl.{group}")
    ]


class InstalledCatalog:
    """The installed plug-ins; implements `core.ports.Catalog`.

    Args:
        strangers: answers all registrations; read at most once, and only when a name is
            wanted that is not a built-in, or when names are listed.
    """

    def __init__(
        self, strangers: Callable[[], Sequence[Registration]] = installed_registrations
    ) -> None:
        self._strangers = strangers
        self._known: dict[str, dict[str, Registration]] | None = None

    def names(self, group: str) -> Sequence[str]:
        """Known names, sorted; loads nothing.

        Raises:
            InvalidSettings: two distributions claim one name.
        """
        return sorted(self._registered(group))

    def load(self, group: str, name: str) -> Any:  # the class of any of the five protocols
        """The plug-in class, its contract checked.

        Raises:
            NotFound: nobody registers the name; the known names are listed.
            InvalidSettings: the plug-in cannot be imported or breaks its contract.
        """
        reference = BUILT_INS.get(group, {}).get(name)
        if reference is not None:
            own = Registration(
                group=group, name=name, reference=reference, distribution=OWN_DISTRIBUTION
            )
            return _import(own)
        known = self._registered(group)
        if name not in known:
            raise NotFound(_unknown(group, name, known), hint=_suggestion(name, known))
        return _import(known[name])

    def _registered(self, group: str) -> dict[str, Registration]:
        if self._known is None:
            self._known = _by_group(self._strangers())
        return self._known[group]


def _by_group(strangers: Iterable[Registration]) -> dict[str, dict[str, Registration]]:
    known = {
        group: {
            name: Registration(
                group=group, name=name, reference=reference, distribution=OWN_DISTRIBUTION
            )
            for name, reference in table.items()
        }
        for group, table in BUILT_INS.items()
    }
    for stranger in strangers:
        if stranger.distribution == OWN_DISTRIBUTION:
            continue  # already known from the table
        taken = known[stranger.group].get(stranger.name)
        if taken is not None:
            raise InvalidSettings(
                f"two distributions register {stranger.name!r} under rolloutctl."
                f"{stranger.group}: {taken.distribution} and {stranger.distribution}",
                hint=f"uninstall one of them, e.g.: pip uninstall {stranger.distribution}",
            )
        known[stranger.group][stranger.name] = stranger
    return known


def _import(plug: Registration) -> Any:  # the class of any of the five protocols
    module_name, _, attribute = plug.reference.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except _IMPORT_FAILURES as error:
        raise InvalidSettings(
            f"{_described(plug)} cannot be loaded from {plug.reference}: "
            f"{type(error).__name__}: {error}",
            hint=f"repair or uninstall it: pip install --force-reinstall {plug.distribution}",
        ) from error
    missing = [name for name in CONTRACTS[plug.group] if not hasattr(found, name)]
    if missing:
        raise InvalidSettings(
            f"{_described(plug)} breaks its contract: it lacks {', '.join(missing)}",
            hint="the contract is documented in rolloutctl.core.ports",
        )
    if found.name != plug.name:
        raise InvalidSettings(
            f"{_described(plug)} breaks its contract: the class calls itself {found.name!r}",
            hint="the entry point and the class attribute `name` must be equal",
        )
    return found


def _described(plug: Registration) -> str:
    kind = plug.group.removesuffix("s")
    return f"the {kind} plug-in {plug.name!r} of the distribution {plug.distribution}"


def _unknown(group: str, name: str, known: Iterable[str]) -> str:
    return f"no {group.removesuffix('s')} is named {name!r}; known: {', '.join(sorted(known))}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a typing error needs it

    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "install the plug-in that provides it"
