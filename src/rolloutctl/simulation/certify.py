"""How often a playbook's gates err: many rehearsals of it, healthy and harmed, counted.

A healthy run that is taken back is a false abort; a harmed one that goes through is a
miss. Shares come with Wilson's interval at 99.9 %: what is called broken is broken by
more than chance, in every row of the table at once.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing.synchronize import Event

from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import ExitCode, RolloutctlError
from rolloutctl.simulation.certificate import POWER, Case, Certificate, Tally
from rolloutctl.simulation.faults import Fault, parse_fault
from rolloutctl.simulation.scenario import Played, Scenario, play
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.streams import Role

#: Shapes of traffic that a certificate covers unless told otherwise.
SHAPES = (Shape.STEADY, Shape.DIURNAL, Shape.BURSTY, Shape.AUTOCORRELATED)
RUNS_MAX = 1_000_000
JOBS_MAX = 256
#: Harmed runs of an effect, as a part of the healthy ones; and at least.
HARMED_PART, HARMED_MIN = 10, 20
#: Of so many runs one is driven by the complete engine too, and must be the same.
CHECK_EVERY = 250
#: A run that has not ended after so many times its holds (and this many seconds) waits for
#: data that its traffic does not bring: it is stalled.
PATIENCE, PATIENCE_MIN_S = 2.0, 3_600.0
#: Runs that a worker takes at once.
_CHUNK = 5
#: How much worse an effect is that nobody has stated.
_EFFECTS = {Role.BAD: 3.0, Role.HISTOGRAM: 3.0, Role.SUM: 2.0}


def cases_of(
    scenario: Scenario, *, runs: int, shapes: Sequence[Shape] = SHAPES, effects: Sequence[str] = ()
) -> list[Case]:
    """The rows: every shape without harm, then every effect in steady traffic.

    Args:
        scenario: without faults.
        runs: healthy runs, shared among the shapes.
        shapes: of traffic.
        effects: as faults are written; without any, each gate's number two or three times
            as bad as healthy.
    """
    each = max(1, runs // max(1, len(shapes)))
    healthy = [
        Case(
            name=str(shape),
            scenario=replace(scenario, climate=replace(scenario.climate, shape=shape)),
            runs=each,
        )
        for shape in shapes
    ]
    gates = scenario.given.playbook.gates
    faults = [parse_fault(text, gates) for text in effects] or list(_usual_effects(scenario))
    harmed = [
        Case(
            name=fault.text,
            scenario=replace(scenario, faults=(fault,)),
            runs=max(HARMED_MIN, runs // HARMED_PART),
            is_harmed=True,
        )
        for fault in faults
    ]
    return [*healthy, *harmed]


def _usual_effects(scenario: Scenario) -> Iterable[Fault]:
    playbook = scenario.given.playbook
    used = {name for step in playbook.steps for name in step.gates} | set(playbook.guardrails)
    for slot in scenario.streams.slots.values():
        acting = [g for g in slot.gates if g in used and not playbook.gates[g].limits.observe_only]
        if acting and slot.role in _EFFECTS:
            yield parse_fault(f"{acting[0]}={_EFFECTS[slot.role]:g}x", playbook.gates)
        elif acting and slot.role is Role.GOOD:
            healthy = scenario.healthy.numbers[slot.name]
            good = max(healthy / 2, 1 - _EFFECTS[Role.BAD] * (1 - healthy))
            yield parse_fault(f"{acting[0]}={good * 100:.6g}%", playbook.gates)


def certify(
    cases: Sequence[Case],
    *,
    claim: float,
    power: float = POWER,
    seed: int = 1,
    jobs: int = 0,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> Certificate:
    """Runs every case and counts.

    The result depends on the seed alone, not on the number of jobs.

    Args:
        cases: the rows.
        claim: share of healthy runs that may be taken back.
        power: share of harmed runs that must be; 0: it is only shown.
        seed: of all chance.
        jobs: processes; 0 is one for each processor.
        tell: told (runs done, of all) now and then.
    """
    tallies = [Tally() for _ in cases]
    chunks = [
        (index, range(first, min(first + _CHUNK, case.runs)))
        for index, case in enumerate(cases)
        for first in range(0, case.runs, _CHUNK)
    ]
    done, whole = 0, sum(case.runs for case in cases)
    for index, tally in _counted(cases, chunks, seed=seed, jobs=jobs or os.cpu_count() or 1):
        tallies[index].add(tally)
        done += tally.runs
        tell(done, whole)
    for tally in tallies:
        tally.delays_s.sort()  # whichever worker was faster
    return Certificate(cases=tuple(zip(cases, tallies, strict=True)), claim=claim, power=power)


def _counted(
    cases: Sequence[Case], chunks: Sequence[tuple[int, range]], *, seed: int, jobs: int
) -> Iterable[tuple[int, Tally]]:
    if jobs == 1:
        for index, numbers in chunks:
            yield index, _tally(cases[index], numbers, seed)
        return
    is_over = multiprocessing.Event()
    with ProcessPoolExecutor(
        max_workers=min(jobs, JOBS_MAX), initializer=_take, initargs=(tuple(cases), seed, is_over)
    ) as pool:
        waiting = {pool.submit(_work, index, numbers): index for index, numbers in chunks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            is_over.set()  # whoever is at work ends with the run that it is in
            pool.shutdown(wait=True, cancel_futures=True)


def _never() -> bool:
    return False


#: In a worker: the cases, the seed, and whether nobody waits for more.
_taken: tuple[tuple[Case, ...], int, Callable[[], bool]] = ((), 0, _never)


def _take(cases: tuple[Case, ...], seed: int, is_over: Event) -> None:
    """In a worker: keeps the cases, so that they travel once."""
    import gc  # noqa: PLC0415 - workers only
    import signal  # noqa: PLC0415 - same

    global _taken  # noqa: PLW0603 - a worker process has one order
    _taken = (cases, seed, is_over.is_set)
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(100_000)  # a run makes little that refers to itself


def _work(index: int, numbers: range) -> Tally:
    cases, seed, is_over = _taken
    return _tally(cases[index], numbers, seed, is_over=is_over)


def _tally(case: Case, numbers: range, seed: int, *, is_over: Callable[[], bool] = _never) -> Tally:
    tally = Tally()
    playbook = case.scenario.given.playbook
    patience_s = PATIENCE * sum(step.hold_s for step in playbook.steps) + PATIENCE_MIN_S
    for number in numbers:
        if is_over():
            break
        own = f"{seed} {case.name} {number}"
        played = play(case.scenario, own, leaping=True, patience_s=patience_s)
        _count(tally, case, played)
        if number % CHECK_EVERY == 0 and played.lasted_s < patience_s:
            _compare(case, own, played)
            tally.checked += 1
    return tally


def _count(tally: Tally, case: Case, played: Played) -> None:
    tally.runs += 1
    rehearsed = played.rehearsed
    began_s = played.began_s[0] if case.is_harmed else 0.0
    if rehearsed.is_aborted:
        is_early = began_s is None or played.lasted_s < began_s
        tally.early += is_early
        tally.aborted += not is_early
        if case.is_harmed and began_s is not None and not is_early:
            tally.delays_s.append(played.lasted_s - began_s)
        tally.gates.update(
            name
            for name, record in rehearsed.state.gates.items()
            if record.verdict.outcome is Outcome.FAIL
        )
    elif rehearsed.exit_code == ExitCode.DONE:
        tally.completed += 1
    else:
        tally.stalled += 1


def _compare(case: Case, seed: str, played: Played) -> None:
    """Raises unless the complete engine decides the very same, on the very same evidence."""
    whole, quick = play(case.scenario, seed).rehearsed, played.rehearsed
    if not (
        whole.exit_code == quick.exit_code
        and whole.ended_at == quick.ended_at
        and whole.state.gates == quick.state.gates
        and whole.story == quick.story
    ):
        raise RolloutctlError(
            f"certify: run {seed!r} went differently in the complete engine",
            hint="this is a bug in rolloutctl; please report it with the playbook",
        )
