"""What every journal must do, as tests that any implementation inherits.

Inherit `JournalContract`, say how to make a journal, and a test runner that collects
`Test…` classes does the rest; nothing here needs one:

    class TestMyJournal(JournalContract):
        def make_journal(self) -> Journal:
            return MyJournal()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rolloutctl.core.effects import Expose, Invoke, Restore
from rolloutctl.core.events import (
    Actor,
    Applied,
    ApplyFailed,
    Event,
    Finished,
    FinishedAs,
    Held,
    HeldAs,
    Intended,
    KillRequested,
    LeaseTaken,
    Paused,
    RestorePoint,
    Started,
    StepEntered,
    Stuck,
    Why,
)
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.observation import Observation, Receipt
from rolloutctl.core.ports import Journal, Lease
from rolloutctl.errors import Conflict, LeaseHeld, LeaseLost, NotFound, RolloutctlError, Stale
from rolloutctl.testing.clock import EPOCH

#: An ordinary event that moves the head and means nothing here.
ENTERED = StepEntered(step=0, because="a step begins")
_ACTOR = Actor(name="operator@host", terminal="pts/3", pid=7)
_TTL_S = 60.0
_OBSERVATION = Observation(
    at=EPOCH,
    exposure=ZERO,
    version="v1",
    fingerprint="f1",
    snapshot={"b": [1, 2.5, None], "a": "first"},
)


def make_started(name: str = "checkout") -> Started:
    """A `Started` with one restore point."""
    point = RestorePoint(target="flag", address="fake://flag", observation=_OBSERVATION)
    return Started(name=name, document="{}", sha256="0" * 64, restore_points=(point,), actor=_ACTOR)


def make_intent(key: str, *, target: str = "flag", epoch: int = 1) -> Intended:
    """An intent to write a target."""
    return Intended(
        key=key,
        effect=Expose(target=target, exposure=split(500)),
        before=_OBSERVATION,
        deadline=EPOCH + timedelta(seconds=30),
        epoch=epoch,
    )


def agree(actual: object, expected: object) -> None:
    """Raises `AssertionError` with both when they differ; holds under `python -O` too."""
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, found {actual!r}")


@contextmanager
def refused(*kinds: type[RolloutctlError], naming: str = "") -> Iterator[None]:
    """The body must raise one of these, with `naming` in its message."""
    try:
        yield
    except kinds as error:
        if naming not in error.message:
            raise AssertionError(f"{naming!r} is not in: {error.message}") from error
        return
    raise AssertionError(f"expected {' or '.join(kind.__name__ for kind in kinds)}")


class JournalContract:
    """The promises of `core.ports.Journal`, one test each."""

    def make_journal(self) -> Journal:
        """A new and empty journal; called once per test."""
        raise NotImplementedError

    def begin(self, rollout_id: str = "r-1", *holds: str) -> Journal:
        """A journal with one rollout at event 1."""
        journal = self.make_journal()
        journal.create(rollout_id, make_started(), at=EPOCH, holds=holds)
        return journal

    def begin_driven(self) -> tuple[Journal, Lease]:
        """A journal with r-1 at event 2, its lease taken."""
        journal = self.begin()
        lease = journal.acquire_lease("r-1", "runner-a", now=EPOCH, ttl_s=_TTL_S)
        return journal, lease

    # -- create ---------------------------------------------------------------

    def test_started_is_event_one(self) -> None:
        """A new rollout has exactly its `Started`, as it was given."""
        journal = self.begin()

        recorded = list(journal.read("r-1"))

        agree([(r.seq, r.at, r.event) for r in recorded], [(1, EPOCH, make_started())])
        agree(journal.heads(), {"r-1": 1})

    def test_an_id_is_used_once(self) -> None:
        """A second rollout of the same id is refused and changes nothing."""
        journal = self.begin()

        with refused(Conflict, naming="r-1"):
            journal.create("r-1", make_started("other"), at=EPOCH, holds=())

        agree(journal.rollouts()[0].name, "checkout")

    def test_an_address_has_one_open_rollout(self) -> None:
        """An address of an open rollout is refused, all or nothing, naming the holder."""
        journal = self.begin("r-1", "fake://a", "fake://b")

        with refused(Conflict, naming="r-1"):
            journal.create("r-2", make_started(), at=EPOCH, holds=("fake://c", "fake://b"))
        journal.create("r-3", make_started(), at=EPOCH, holds=("fake://c",))

        agree(set(journal.heads()), {"r-1", "r-3"})

    def test_finishing_frees_the_addresses(self) -> None:
        """`Finished` closes the rollout: its addresses may be taken, it is open no more."""
        journal = self.begin("r-1", "fake://a")
        end = Finished(finished_as=FinishedAs.SUCCEEDED, because="done")

        journal.append("r-1", [end], at=EPOCH, expect_seq=1, epoch=None)
        journal.create("r-2", make_started(), at=EPOCH, holds=("fake://a",))

        agree(set(journal.heads()), {"r-2"})
        agree([row.rollout_id for row in journal.rollouts(open_only=True)], ["r-2"])
        agree({row.rollout_id: row.is_open for row in journal.rollouts()}["r-1"], False)

    def test_held_and_stuck_keep_the_addresses(self) -> None:
        """A weight that is held or stuck still belongs to its rollout."""
        for event in (
            Held(held_as=HeldAs.TIMED_OUT, because="time is up"),
            Stuck(targets=("flag",), because="not confirmed"),
        ):
            journal = self.begin("r-1", "fake://a")
            journal.append("r-1", [event], at=EPOCH, expect_seq=1, epoch=None)

            with refused(Conflict, naming="r-1"):
                journal.create("r-2", make_started(), at=EPOCH, holds=("fake://a",))

            agree(journal.heads(), {"r-1": 2})
            journal.close()

    # -- append and read ------------------------------------------------------

    def test_events_come_back_in_order(self) -> None:
        """Appended events are read back equal, in order, with their time."""
        journal = self.begin()
        later = EPOCH + timedelta(microseconds=1)
        events: list[Event] = [ENTERED, Paused(because="ünïcode \ud800 \x00")]

        head = journal.append("r-1", events, at=later, expect_seq=1, epoch=None)

        agree(head, 3)
        recorded = journal.read("r-1", after_seq=1)
        agree(
            [(r.seq, r.at, r.event) for r in recorded], [(2, later, ENTERED), (3, later, events[1])]
        )
        agree(list(journal.read("r-1", after_seq=3)), [])

    def test_a_moved_head_is_stale(self) -> None:
        """An append upon an older head, or one not yet reached, is refused whole."""
        journal = self.begin()
        journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=1, epoch=None)

        for expect_seq in (0, 1, 3):
            with refused(Stale):
                journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=expect_seq, epoch=None)

        agree(journal.heads(), {"r-1": 2})

    def test_an_append_is_all_or_nothing(self) -> None:
        """One refused event takes the events around it along."""
        journal, lease = self.begin_driven()
        events: list[Event] = [ENTERED, make_intent("k1"), make_intent("k2"), ENTERED]

        with refused(Stale):
            journal.append("r-1", events, at=EPOCH, expect_seq=2, epoch=lease.epoch)
        journal.append("r-1", [make_intent("k3")], at=EPOCH, expect_seq=2, epoch=lease.epoch)

        agree([r.event for r in journal.read("r-1", after_seq=2)], [make_intent("k3")])

    def test_nothing_appended_moves_nothing(self) -> None:
        """An empty append answers the head, and is still judged."""
        journal = self.begin()

        agree(journal.append("r-1", [], at=EPOCH, expect_seq=1, epoch=None), 1)
        with refused(Stale):
            journal.append("r-1", [], at=EPOCH, expect_seq=2, epoch=None)

    def test_an_unknown_rollout_is_not_found(self) -> None:
        """Every method that names a rollout says so when there is none."""
        journal = self.make_journal()

        with refused(NotFound, naming="r-9"):
            journal.read("r-9")
        with refused(NotFound, naming="r-9"):
            journal.append("r-9", [ENTERED], at=EPOCH, expect_seq=0, epoch=None)
        with refused(NotFound, naming="r-9"):
            journal.acquire_lease("r-9", "runner-a", now=EPOCH, ttl_s=_TTL_S)

    def test_rollouts_are_listed_newest_first(self) -> None:
        """The table of contents tells name, hash, head and lease of each."""
        journal, lease = self.begin_driven()
        second = EPOCH + timedelta(seconds=1)
        journal.create("r-2", make_started("search"), at=second, holds=())

        rows = journal.rollouts()

        agree([(row.rollout_id, row.name, row.head_seq) for row in rows], [
            ("r-2", "search", 1), ("r-1", "checkout", 2),
        ])  # fmt: skip
        agree([row.created_at for row in rows], [second, EPOCH])
        agree([row.lease for row in rows], [None, lease])
        agree(rows[0].sha256, "0" * 64)

    # -- the fence ------------------------------------------------------------

    def test_no_intent_after_a_kill(self) -> None:
        """After `KillRequested` every intent is refused, on any target and on none."""
        journal, lease = self.begin_driven()
        kill = KillRequested(actor=_ACTOR, reason="bad answers")
        head = journal.append("r-1", [kill], at=EPOCH, expect_seq=2, epoch=None)
        invoke = Intended(
            key="k2",
            effect=Invoke(request={"run": "true"}, timeout_s=1.0),
            before=None,
            deadline=EPOCH,
            epoch=lease.epoch,
        )

        for intent in (make_intent("k1"), make_intent("k1", target="other"), invoke):
            with refused(Stale):
                journal.append("r-1", [intent], at=EPOCH, expect_seq=head, epoch=lease.epoch)

        agree(journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=head, epoch=None), head + 1)

    def test_no_intent_beside_a_kill(self) -> None:
        """A kill fences the events that follow it in the same append."""
        journal, lease = self.begin_driven()
        events: list[Event] = [KillRequested(actor=_ACTOR), make_intent("k1")]

        with refused(Stale):
            journal.append("r-1", events, at=EPOCH, expect_seq=2, epoch=lease.epoch)

        agree(journal.heads(), {"r-1": 2})

    def test_no_restore_after_a_kill(self) -> None:
        """A rollback does not write either, once the rollout was killed."""
        journal, lease = self.begin_driven()
        journal.append("r-1", [KillRequested(actor=_ACTOR)], at=EPOCH, expect_seq=2, epoch=None)
        intent = Intended(
            key="k1",
            effect=Restore(target="flag"),
            before=None,
            deadline=EPOCH,
            epoch=lease.epoch,
        )

        with refused(Stale):
            journal.append("r-1", [intent], at=EPOCH, expect_seq=3, epoch=lease.epoch)

    def test_no_intent_without_a_lease(self) -> None:
        """Only the driver, who gives its epoch, may intend."""
        journal, _ = self.begin_driven()

        with refused(Stale):
            journal.append("r-1", [make_intent("k1")], at=EPOCH, expect_seq=2, epoch=None)

        agree(journal.heads(), {"r-1": 2})

    def test_one_open_intent_per_target(self) -> None:
        """A second intent on a target waits for the first; other targets do not."""
        journal, lease = self.begin_driven()
        head = journal.append("r-1", [make_intent("k1")], at=EPOCH, expect_seq=2, epoch=lease.epoch)

        with refused(Stale):
            journal.append("r-1", [make_intent("k2")], at=EPOCH, expect_seq=head, epoch=lease.epoch)

        other = make_intent("k3", target="other")
        agree(journal.append("r-1", [other], at=EPOCH, expect_seq=head, epoch=lease.epoch), 4)

    def test_an_ended_intent_makes_room(self) -> None:
        """`Applied` and `ApplyFailed` close the intent of their key, even in one append."""
        ends: tuple[Event, ...] = (
            Applied(key="k1", receipt=Receipt(version="v2"), after=_OBSERVATION),
            ApplyFailed(key="k1", target="flag", why=Why.NOT_LANDED, message="as before"),
        )
        for end in ends:
            journal, lease = self.begin_driven()
            journal.append("r-1", [make_intent("k1")], at=EPOCH, expect_seq=2, epoch=lease.epoch)

            head = journal.append(
                "r-1", [end, make_intent("k2")], at=EPOCH, expect_seq=3, epoch=lease.epoch
            )

            agree(head, 5)
            journal.close()

    # -- leases ---------------------------------------------------------------

    def test_a_lease_is_recorded(self) -> None:
        """Taking the lease starts epoch 1 and moves the head by one `LeaseTaken`."""
        journal, lease = self.begin_driven()

        agree((lease.epoch, lease.owner), (1, "runner-a"))
        agree(lease.expires_at, EPOCH + timedelta(seconds=_TTL_S))
        agree([r.event for r in journal.read("r-1", after_seq=1)], [
            LeaseTaken(epoch=1, owner="runner-a"),
        ])  # fmt: skip
        agree(journal.heads(), {"r-1": 2})

    def test_a_living_lease_is_held(self) -> None:
        """Another owner is refused until the lease expires, and told who drives."""
        journal, lease = self.begin_driven()
        almost = lease.expires_at - timedelta(microseconds=1)

        with refused(LeaseHeld, naming="runner-a"):
            journal.acquire_lease("r-1", "runner-b", now=almost, ttl_s=_TTL_S)

        agree(journal.heads(), {"r-1": 2})

    def test_an_expired_lease_changes_hands(self) -> None:
        """From its expiry on anybody takes it, and the old driver cannot write."""
        journal, old = self.begin_driven()

        new = journal.acquire_lease("r-1", "runner-b", now=old.expires_at, ttl_s=_TTL_S)

        agree(new.epoch, old.epoch + 1)
        with refused(LeaseLost):
            journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=3, epoch=old.epoch)
        with refused(LeaseLost):
            journal.renew_lease(old, now=old.expires_at, ttl_s=_TTL_S)

    def test_a_lease_can_be_stolen(self) -> None:
        """`steal` takes a living lease, with a new epoch."""
        journal, old = self.begin_driven()

        new = journal.acquire_lease("r-1", "runner-b", now=EPOCH, ttl_s=_TTL_S, steal=True)

        agree((new.epoch, new.owner), (old.epoch + 1, "runner-b"))

    def test_an_owner_takes_its_own_lease_again(self) -> None:
        """The same owner is not locked out by itself, and still gets a new epoch."""
        journal, old = self.begin_driven()

        new = journal.acquire_lease("r-1", "runner-a", now=EPOCH, ttl_s=_TTL_S)

        agree(new.epoch, old.epoch + 1)

    def test_renewing_prolongs_and_moves_nothing(self) -> None:
        """A renewed lease holds others off for longer; no event is recorded."""
        journal, old = self.begin_driven()

        new = journal.renew_lease(old, now=old.expires_at, ttl_s=_TTL_S)

        agree(new.expires_at, old.expires_at + timedelta(seconds=_TTL_S))
        agree((new.epoch, journal.heads()), (old.epoch, {"r-1": 2}))
        with refused(LeaseHeld):
            journal.acquire_lease("r-1", "runner-b", now=old.expires_at, ttl_s=_TTL_S)

    def test_a_released_lease_is_free_and_its_epoch_spent(self) -> None:
        """After release anybody takes it; releasing a lost one disturbs nobody."""
        journal, old = self.begin_driven()

        journal.release_lease(old)
        new = journal.acquire_lease("r-1", "runner-b", now=EPOCH, ttl_s=_TTL_S)
        journal.release_lease(old)

        agree(new.epoch, old.epoch + 1)
        agree(journal.rollouts()[0].lease, new)

    # -- many at once ---------------------------------------------------------

    def test_threads_never_share_a_seq(self) -> None:
        """Of threads that append upon the same head one wins, and none is lost."""
        journal = self.begin()
        wins: list[int] = []

        def race() -> None:
            for _ in range(10):
                while True:
                    head = journal.heads()["r-1"]
                    try:
                        wins.append(
                            journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=head, epoch=None)
                        )
                    except Stale:
                        continue
                    break

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        agree(sorted(wins), list(range(2, 42)))
        agree([r.seq for r in journal.read("r-1")], list(range(1, 42)))

    def test_closing_twice_is_safe(self) -> None:
        """A second close does nothing."""
        journal = self.begin()

        journal.close()
        journal.close()
