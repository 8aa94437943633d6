"""Many rollouts with a flag each on one journal, and agents that drive them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.machine import fold
from rolloutctl.runner import start as starting
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.agent import AgentPorts, run_agent
from rolloutctl.runner.rollout import Rollout
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    MemoryJournal,
)
from worlds.rollouts import ACTOR, KINDS, playbook, step


class Fleet:
    """Rollouts with a flag each, on one journal, and agents in this process."""

    def __init__(self, count, *, journal=None, clock=None, book=None):
        self.clock = clock or FakeClock()
        self.journal = journal or MemoryJournal()
        self.source = FakeSource(answers={"success": lambda _: 0.99, "floor": lambda _: 0.99})
        self.said = []
        self.broken = set()
        self.opened = []
        self.notifiers = {}
        self.books, self.worlds = {}, {}
        for number in range(count):
            self.add(f"r-{number}", book or playbook())

    def add(self, rollout_id, book):
        one = book.targets["llm"]
        spec = replace(one.spec, flag=rollout_id)
        self.books[rollout_id] = replace(
            book, sha256=rollout_id, targets={"llm": replace(one, spec=spec)}
        )
        world = FakeWorld(clock=self.clock, flags={rollout_id: FakeFlag()})
        world.flags["shadow-llm"] = FakeFlag()
        self.worlds[rollout_id] = world
        starting.start(
            self.books[rollout_id],
            self.adapters(rollout_id),
            self.journal,
            clock=self.clock,
            rollout_id=rollout_id,
            actor=ACTOR,
        )

    def adapters(self, rollout_id):
        provider = FakeProvider(self.worlds[rollout_id])
        return Adapters(
            kinds=KINDS,
            providers={"llm": provider},
            sources={"fake": self.source},
            notifiers=self.notifiers,
        )

    def open(self, row):
        self.opened.append(row.rollout_id)
        if row.rollout_id in self.broken:
            raise RuntimeError(f"a bug in {row.rollout_id}")
        return Rollout.open(
            row.rollout_id,
            playbook=self.books[row.rollout_id],
            adapters=self.adapters(row.rollout_id),
            journal=self.journal,
            clock=self.clock,
        )

    def ports(self, owner="agent-1", *, workers=0, **more):
        return AgentPorts(
            open_rollout=self.open,
            journal=self.journal,
            clock=self.clock,
            owner=owner,
            workers=workers,
            on_event=self.said.append,
            **more,
        )

    def run(self, seconds, *, owner="agent-1", poll_s=5.0):
        """An agent in this thread, for some fake time."""
        until = self.clock.now() + timedelta(seconds=seconds)
        run_agent(self.ports(owner), stop=lambda: self.clock.now() >= until, poll_s=poll_s)

    def state(self, rollout_id):
        return fold(rollout_id, self.journal.read(rollout_id))

    def phases(self):
        return {name: self.state(name).phase for name in self.books}

    def happened(self, rollout_id):
        return [event.happened for event in self.said if event.rollout_id == rollout_id]

    def owners(self, rollout_id):
        records = self.journal.read(rollout_id)
        return [r.event.owner for r in records if isinstance(r.event, ev.LeaseTaken)]


def quick():
    """A playbook that is over in moments of real time."""
    steps = tuple(
        replace(step(n, "canary", CanarySpec(canary=bp), ("llm",), gates=()), hold_s=0.0)
        for n, bp in enumerate((500, 5000, 10000))
    )
    return replace(playbook(steps=steps), guardrails=())
