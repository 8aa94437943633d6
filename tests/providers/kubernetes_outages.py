"""What can happen to the pods of two sides while rolloutctl writes; and who serves then."""

from __future__ import annotations

from e2e.real_command import until
from providers.kubernetes_worlds import BLUE, GREEN
from rolloutctl.core.exposure import FULL_BP, split

SELECTOR = "/api/v1/namespaces/chat/services/chat"
FORWARD, BACK = split(FULL_BP), split(0)
SECONDS_A_CALL = 2.0


class Outages:
    """One Service, its two sides, and what can happen to their pods."""

    def __init__(self, world):
        self.world = world
        self.server, self.cluster = world.server, world.server.cluster
        self.controllers, self.hand = self.cluster.controllers, world.hand

    def apply(self, exposure, timeout_s=SECONDS_A_CALL):
        return self.world.provider.apply(
            self.world.target, exposure, key="k", expect=None, timeout_s=timeout_s
        )

    def kill(self, timeout_s=SECONDS_A_CALL):
        return self.world.provider.kill(self.world.target, timeout_s=timeout_s)

    def pods(self, side):
        """Names of a side's pods, and of those the ready ones."""
        labels = {"blue": BLUE, "green": GREEN}[side].items()
        with self.cluster.lock:
            found = [
                each
                for each in self.cluster.find("pods", "chat")
                if labels <= each["metadata"]["labels"].items()
            ]
        names = {each["metadata"]["name"] for each in found}
        ready = {each["metadata"]["name"] for each in found if _is_up(each)}
        return names, ready

    def vanish(self, side):
        """Every pod of the side stops being ready, and does not come back."""
        self.flap(side, is_up=False)

    def flap(self, side, *, is_up):
        with self.cluster.lock:
            for name in sorted(self.pods(side)[0]):
                self.controllers.set_ready("chat", name, is_up=is_up)

    def at_patch(self, event):
        """The event happens once, between our last look at the world and our patch."""

        def before(method, path):
            if method == "PATCH" and path.startswith(SELECTOR + "?"):
                self.server.before = None
                event()

        self.server.before = before

    def selected(self):
        return self.hand.get("Service", "chat")["spec"]["selector"]["version"]

    def stop(self, side):
        """The side is scaled to nothing, and its own slices say so."""
        self.hand.scale(f"chat-{side}", 0)
        until(lambda: not self.hand.slices(f"chat-{side}"), f"{side} is gone")

    def fall(self, side):
        """No pod of the side is ready, and its own slices say so."""
        self.vanish(side)
        until(lambda: not self.hand.slices(f"chat-{side}"), f"{side} is down")

    def was_switched(self, since):
        """Whether any write since then changed who is chosen."""
        with self.cluster.lock:
            chosen = [
                (version, value["spec"]["selector"])
                for version, plural, _, value in self.cluster.history
                if plural == "services" and value["metadata"]["name"] == "chat"
            ]
        before = [each for version, each in chosen if version <= since][-1]
        return any(each != before for version, each in chosen if version > since)

    def version(self):
        return self.hand.get("Service", "chat")["metadata"]["resourceVersion"]

    def served(self):
        """Sides that serve now, as the slices say."""
        return {name.split("-")[1] for name in self.hand.slices("chat")}

    def settled(self):
        """Sides that serve once the controllers have caught up."""

        def sides():
            # Under one lock: what was chosen and what is served belong to one moment.
            with self.cluster.lock:
                service = self.cluster.objects["services", "chat", "chat"]
                chosen = self.pods(service["spec"]["selector"]["version"])[1]
                found = self.endpoints()
            return found == chosen and (found or {"nobody-none"})

        found = {name.split("-")[1] for name in until(sides, "the slices follow")}
        return found - {"none"}

    def endpoints(self):
        """Ready endpoints in all of the Service's slices."""
        with self.cluster.lock:
            return {
                one["targetRef"]["name"]
                for each in self.cluster.find("endpointslices", "chat")
                if each["metadata"]["labels"]["kubernetes.io/service-name"] == "chat"
                for one in each["endpoints"] or ()
                if one["conditions"]["ready"]
            }


def _is_up(pod):
    conditions = pod["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
