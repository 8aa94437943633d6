"""Source `kubernetes`: how a Deployment and its pods are, for gates of kind `k8s-ready`.

API used: apps/v1 Deployments, core v1 Pods. Auth: as the provider. It keeps no history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rolloutctl.clock import Deadline
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.units import DurationS, Name, doc, key
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.kubernetes.api import Api, Object
from rolloutctl.providers.kubernetes.place import SERVICE_SWITCH, TargetSpec
from rolloutctl.providers.kubernetes.readiness import apps, core, is_ready

#: Reasons of a container that waits which time alone does not heal.
BROKEN = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSpec:
    """Which cluster and namespace."""

    context: Name = doc("Context of the kubeconfig, or in-cluster.")
    namespace: Name = doc("Namespace.")
    kubeconfig: str = doc("Another kubeconfig than $KUBECONFIG or ~/.kube/config.", default="")
    timeout_s: DurationS = key("timeout", doc="time limit of one question (10s)", default=10.0)


class KubernetesSource:
    """Answers how many pods of a Deployment are wanted, ready, broken, restarted."""

    name: ClassVar[str] = "kubernetes"
    Spec: ClassVar[type] = KubernetesSpec
    kinds: ClassVar[frozenset[str]] = frozenset({QueryKind.WORKLOAD})

    def __init__(self, spec: KubernetesSpec) -> None:
        self._spec = spec

    def probe(self) -> Sequence[Finding]:
        """Whether Deployments and pods can be listed. Raises as `Provider.probe`."""
        where = f"{self._spec.context}, namespace {self._spec.namespace}"
        try:
            api = self._api()
            count = len(api.listed(apps(self._spec.namespace)))
            api.listed(core(self._spec.namespace, "pods"), labels={"rolloutctl": "probe"})
        except (NotFound, Rejected) as error:
            return [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]
        message = f"{where}: {count} Deployments"
        return [Finding(severity=Severity.OK, message=message)]

    def query(self, query: Query, at: datetime) -> Measurement:
        """The Deployment that the query names. Raises as the port says."""
        api = self._api()
        try:
            deployment = api.get(apps(self._spec.namespace, query.text))
        except NotFound as error:
            if "page not found" in error.message:
                raise
            names = sorted(each["metadata"]["name"] for each in self._deployments(api))
            detail = f"no Deployment {query.text}; there are {', '.join(names) or 'none'}"
            return Measurement(at=at, state=DataState.EMPTY, detail=detail)
        selector = deployment["spec"]["selector"]
        if selector.get("matchExpressions"):
            raise Rejected(
                f"Deployment {query.text} chooses its pods by expressions",
                hint="only matchLabels can be judged",
            )
        labels = selector.get("matchLabels") or {}
        pods = api.listed(core(self._spec.namespace, "pods"), labels=labels)
        samples = tuple(_samples(deployment, pods))
        return Measurement(at=at, state=DataState.OK, samples=samples)

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Raises `Rejected`: an API server knows the present only."""
        del start, end, step_s
        raise Rejected(
            f"{query.text}: a cluster keeps no history of its pods",
            hint="leave gates of kind k8s-ready out of a backtest",
        )

    def _deployments(self, api: Api) -> list[Object]:
        return api.listed(apps(self._spec.namespace))

    def _api(self) -> Api:
        spec = TargetSpec(
            context=self._spec.context,
            namespace=self._spec.namespace,
            strategy=SERVICE_SWITCH,
            name="none",
            kubeconfig=self._spec.kubeconfig,
        )
        return Api(spec, Deadline(self._spec.timeout_s))


def _samples(deployment: Object, pods: Sequence[Object]) -> Iterator[Sample]:
    """Counts, restarts by pod, and pods that cannot run."""
    meta, status = deployment["metadata"], deployment.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    progressing = conditions.get("Progressing") or {}
    observed = int(status.get("observedGeneration") or 0) >= int(meta.get("generation") or 0)
    alive = [each for each in pods if not each["metadata"].get("deletionTimestamp")]
    counts = {
        "wanted": int(deployment["spec"].get("replicas", 1)),
        "ready": sum(is_ready(each) for each in alive),
        "observed": int(observed),
        "gave-up": int(progressing.get("reason") == "ProgressDeadlineExceeded"),
    }
    for name, number in counts.items():
        yield Sample(labels=(("count", name),), value=float(number))
    for pod in alive:
        name = str(pod["metadata"]["name"])
        containers = (pod.get("status") or {}).get("containerStatuses") or ()
        restarts = sum(int(each.get("restartCount") or 0) for each in containers)
        yield Sample(labels=(("restarts", name),), value=float(restarts))
        for each in containers:
            reason = ((each.get("state") or {}).get("waiting") or {}).get("reason")
            if reason in BROKEN:
                yield Sample(labels=(("broken", f"{name} is in {reason}"),), value=1.0)
