"""The conformance suite over the fake provider: the fake keeps the same promises."""

from __future__ import annotations

import pytest

from rolloutctl.core.exposure import split
from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.testing import FakeClock, FakeFlag, FakeProvider, FakeWorld, Fault, FlagSpec
from rolloutctl.testing.conformance import ProviderConformance
from rolloutctl.testing.conformance_world import Operation, ServiceFault

FAULTS = {
    ServiceFault.FORBIDDEN: Fault.FORBIDDEN,
    ServiceFault.RATE_LIMITED: Fault.RATE_LIMITED,
    ServiceFault.SERVER_ERROR: Fault.SERVER_ERROR,
    ServiceFault.UNREACHABLE: Fault.REFUSED_CONNECTION,
    ServiceFault.TIMEOUT: Fault.NEVER,
    ServiceFault.LOST_ANSWER: Fault.LOST_ANSWER,
    ServiceFault.HALF_DONE: Fault.HALF_DONE,
}


class FakeServiceWorld:
    """The suite's view of `FakeWorld`."""

    def __init__(self, *, conditional: bool) -> None:
        self.clock = FakeClock()
        self.service = FakeWorld(
            clock=self.clock, flags={"llm": FakeFlag(note="a note"), "other": FakeFlag()}
        )
        self.provider = FakeProvider(self.service, conditional=conditional)
        self.target = Target(
            name="llm",
            provider="fake",
            spec=FlagSpec(flag="llm"),
            control=Arm(name="control", value="a"),
            canary=Arm(name="canary", value="b"),
            shadow=ShadowFlag(flag="s"),
        )
        self.secrets: tuple[str, ...] = ()
        self.states = ("fully canary",)

    def enter(self, state: str) -> None:
        del state
        self.service.edit("llm", exposure=split(10_000, shadow_bp=10_000))

    def edit_outside(self) -> None:
        self.service.edit("llm", exposure=split(3_000))

    def edit_elsewhere(self) -> None:
        self.service.edit("other", note="edited")

    def neighbour(self) -> object:
        return self.service.flags["other"]

    def content(self) -> bytes | None:
        return None

    def break_next(self, operation: Operation, fault: ServiceFault) -> bool:
        if fault not in FAULTS:
            return False
        self.service.fault = lambda asked, _flag: FAULTS[fault] if asked == operation else None
        return True

    def mend(self) -> None:
        self.service.fault = lambda _operation, _flag: None

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestFake(ProviderConformance):
    provider_name = "fake"

    @pytest.fixture(params=[True, False], ids=["conditional", "unconditional"])
    def world(self, request):
        return FakeServiceWorld(conditional=request.param)
