"""Shares by pods: two Deployments behind one Service, and how many pods each has.

The Service spreads requests over all ready pods, so the canary's share is its part of them.
Growing: the canary's new pods first, and once they are ready the control's are taken away; so
there are never fewer ready pods than `replicas` says. Going back and a kill start the control's
pods first. Pods that are not ready within the time of one write are taken back: what loads for
minutes belongs behind a Service of its own (gateway, service-switch).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rolloutctl.clock import SystemClock
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import FULL_BP, Exposure, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, NotFound, Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.kubernetes.api import Api, Object
from rolloutctl.providers.kubernetes.ownership import last_editor
from rolloutctl.providers.kubernetes.place import REPLICAS, TargetSpec, format_address, spec_of
from rolloutctl.providers.kubernetes.readiness import (
    apps,
    core,
    way_back_needs,
)
from rolloutctl.providers.kubernetes.strategies.counts import (
    await_ready,
    carry_out,
    count_of,
    mark_of,
    name_of,
    scale,
)
from rolloutctl.providers.kubernetes.strategy import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both Deployments as one list showed them, and others behind the same Service."""

    control: Object
    canary: Object | None
    others: tuple[Object, ...]

    def counts(self) -> tuple[int, int, int]:
        """Replicas of the control, the canary, and everybody else."""
        canary = 0 if self.canary is None else count_of(self.canary)
        return count_of(self.control), canary, sum(count_of(each) for each in self.others)

    @property
    def version(self) -> str:
        """Moves with every change of a count, and with every kill."""
        parts = [mark_of(each) for each in (self.control, self.canary, *self.others) if each]
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]

    @property
    def owned(self) -> dict[str, Json]:
        """What restore puts back."""
        control, canary, _ = self.counts()
        return {"control": control, "canary": canary}


class Replicas:
    """Steps of one pod."""

    name: ClassVar[str] = REPLICAS

    def capabilities_for(self, target: Target) -> Capabilities:
        """A share is a whole number of pods."""
        total = max(1, spec_of(target).replicas)
        return Capabilities(
            weight_step_bp=FULL_BP // total,
            conditional_write=True,
            write_timeout_s=30.0,
            propagation_s=5.0,
        )

    def observe(self, api: Api, target: Target) -> Observation:
        """One list of the namespace's Deployments."""
        pair = _read(api, target)
        control, canary, others = pair.counts()
        total = control + canary
        exposure, detail = None, ""
        if others:
            names = ", ".join(name_of(each) for each in pair.others if count_of(each))
            detail = f"{others} pods of {names} serve too"
        elif canary and total != (spec_of(target).replicas or total):
            detail = f"{control} + {canary} pods, {spec_of(target).replicas} are stated"
        else:
            exposure = split(round(canary * FULL_BP / total) if total else 0)
            detail = "" if total else "neither Deployment has a pod"
        editors = [
            last_editor(each, ("spec", "replicas")) for each in (pair.control, pair.canary) if each
        ]
        text = json.dumps({**pair.owned, "others": others}, sort_keys=True)
        return Observation(
            at=SystemClock().now(),
            exposure=exposure,
            version=pair.version,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            snapshot={"owned": pair.owned},
            editor=next(filter(None, editors), ""),
            detail=detail,
        )

    def apply(self, api: Api, target: Target, exposure: Exposure, expect: str | None) -> Receipt:
        """Forwards and backwards: whoever grows is ready before the other shrinks."""
        total = spec_of(target).replicas
        if not total:
            raise Rejected("nothing says how many pods there are", hint="add replicas: 10")
        canary = exposure.canary_bp * total // FULL_BP
        return self._write(api, target, (total - canary, canary), expect)

    def restore(self, api: Api, target: Target, snapshot: Json, expect: str | None) -> Receipt:
        """The counts of a restore point."""
        owned = snapshot.get("owned") if isinstance(snapshot, Mapping) else None
        control, canary = (
            (owned.get("control"), owned.get("canary")) if isinstance(owned, Mapping) else (0, 0)
        )
        if not isinstance(control, int) or not isinstance(canary, int) or not control + canary:
            raise Rejected("the restore point holds no counts", hint="kubectl scale deployment")
        return self._write(api, target, (control, canary), expect, is_back=True)

    def kill(self, api: Api, target: Target) -> Receipt:
        """The control's pods first, as many as all have now; then nobody else's."""
        pair = _read(api, target)
        control, canary, others = pair.counts()
        total = control + canary + others
        wanted = max(control, min(total, spec_of(target).replicas or total))
        said = [f"{name_of(pair.control)} {control} -> {wanted}"] if wanted != control else []
        scale(api, pair.control, wanted, is_kill=True)
        needed = min(wanted, way_back_needs(total))
        if canary + others and not await_ready(api, pair.control, needed):
            raise Unavailable(
                f"Deployment {name_of(pair.control)} has not {needed} ready pods yet; what"
                " serves now goes on serving",
                hint="kill again when its pods are ready: kubectl get pods --watch",
            )
        for each in (pair.canary, *pair.others):
            if each is not None:
                scale(api, each, 0, is_kill=True)
                said += [f"{name_of(each)} {count_of(each)} -> 0"] if count_of(each) else []
        return Receipt(changed=", ".join(said) or "a new fence; it was at control already")

    def _write(
        self,
        api: Api,
        target: Target,
        wanted: tuple[int, int],
        expect: str | None,
        *,
        is_back: bool = False,
    ) -> Receipt:
        pair = _read(api, target)
        where = format_address(target)
        if expect is not None and expect != pair.version:
            raise Conflict(
                f"{where}: it was changed since it was read; nothing was written",
                hint="look at it; rolloutctl reads the target again before its next write",
            )
        if pair.canary is None:
            raise NotFound(f"{where}: there is no Deployment {target.canary.value}", hint="make it")
        if pair.counts()[2]:
            names = ", ".join(name_of(each) for each in pair.others if count_of(each))
            raise Rejected(f"{where}: pods of {names} serve too", hint="scale them to 0 first")
        control, canary, _ = pair.counts()
        if (control, canary) == wanted:
            return Receipt(version=pair.version)
        moves = [(pair.control, control, wanted[0]), (pair.canary, canary, wanted[1])]
        # On the way back one broken pod of the control must not keep everybody at the canary.
        needed = way_back_needs(control + canary) if is_back else None
        carry_out(api, moves, needed=needed)
        said = ", ".join(
            f"{name_of(one)} {was} -> {goal}" for one, was, goal in moves if was != goal
        )
        try:
            return Receipt(version=_read(api, target).version, changed=said)
        except RolloutctlError as error:
            message = f"it was written, but not read back: {error.message}"
            raise Unavailable(message, hint=error.hint, may_have_landed=True) from error

    def clean_up(self, api: Api, target: Target, action: str) -> str:
        """Nothing is left to scale down at 100 %; the control's Deployment may be deleted."""
        pair = _read(api, target)
        control, canary, others = pair.counts()
        if control or others or not canary:
            raise Rejected(
                f"{format_address(target)}: not everybody is sent to the canary",
                hint="clean up after the step that gives it everybody",
            )
        if action != "delete":
            return f"Deployment {name_of(pair.control)} had no replicas"
        meta = pair.control["metadata"]
        api.delete(apps(meta["namespace"], meta["name"]))
        return f"Deployment {meta['name']} deleted"

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """See `Strategy.permissions`."""
        return [
            Permission(verb="get", resource="services", name=spec.name),
            Permission(verb="list", resource="deployments", group="apps"),
            Permission(verb="get", resource="deployments", group="apps"),
            Permission(verb="patch", resource="deployments", group="apps"),
            Permission(verb="list", resource="pods"),
            Permission(verb="list", resource="horizontalpodautoscalers", group="autoscaling"),
        ]

    def findings(self, api: Api, target: Target) -> Iterator[Finding]:
        """What a plan should know."""
        for message, hint in self._refusals(api, target):
            yield Finding(severity=Severity.REFUSE, message=message, hint=hint)
        total = max(1, api.spec.replicas)
        message = f"{total} pods: shares come in steps of {100 / total:g} %"
        hint = "requests are spread by connection: long-lived ones make shares uneven"
        yield Finding(severity=Severity.OK, message=message, hint=hint)

    def _refusals(self, api: Api, target: Target) -> Iterator[tuple[str, str]]:
        """Autoscalers would set the counts back; counts that are not ours are no share."""
        path = f"/apis/autoscaling/v2/namespaces/{api.spec.namespace}/horizontalpodautoscalers"
        arms = {target.control.value, target.canary.value}
        for each in api.listed(path):
            scaled = each["spec"].get("scaleTargetRef") or {}
            if scaled.get("kind") == "Deployment" and scaled.get("name") in arms:
                name = each["metadata"]["name"]
                hint = f"kubectl delete hpa {name}, or split a route (strategy: gateway)"
                yield f"HorizontalPodAutoscaler {name} counts the pods of {scaled['name']}", hint
        pair = _read(api, target)
        control, canary, _ = pair.counts()
        if control + canary != api.spec.replicas:
            hint = f"write replicas: {control + canary}, or scale them"
            yield f"both have {control + canary} pods, the target says {api.spec.replicas}", hint


def _read(api: Api, target: Target) -> Pair:
    """Both, and whoever else stands behind the Service. Raises `NotFound`, `Rejected`."""
    spec = api.spec
    service = api.get(core(spec.namespace, "services", spec.name))
    selector = service["spec"].get("selector") or {}
    behind = [
        each
        for each in api.listed(apps(spec.namespace))
        if selector
        and selector.items() <= (each["spec"]["template"]["metadata"].get("labels") or {}).items()
    ]
    by_name = {name_of(each): each for each in behind}
    control = by_name.pop(target.control.value, None)
    canary = by_name.pop(target.canary.value, None)
    if control is None:
        raise NotFound(
            f"{format_address(target)}: Service {spec.name} chooses no pods of a Deployment"
            f" {target.control.value}",
            hint=f"it chooses those of {', '.join(sorted(map(name_of, behind))) or 'none'}",
        )
    return Pair(control=control, canary=canary, others=tuple(by_name.values()))
