"""The composition root: the only place that puts adapters, store and settings together.

Only the plug-ins that a playbook or an address names are imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rolloutctl.clock import SystemClock
from rolloutctl.errors import IllegalEvent, InvalidPlaybook, NotFound, UsageError
from rolloutctl.plugins import InstalledCatalog

if TYPE_CHECKING:
    # Everything below is loaded by the functions that need it: `kill ADDRESS` needs none.
    from rolloutctl.core.effects import Invoke
    from rolloutctl.core.events import Actor, Recorded
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.core.ports import (
        Catalog,
        Clock,
        Journal,
        Kinds,
        MetricSource,
        Notifier,
        Provider,
    )
    from rolloutctl.core.target import Target
    from rolloutctl.runner.adapters import Adapters, Ending, Invoker, InvokeResult, Running
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.store.glances import Glances
    from rolloutctl.store.sqlite import SqliteJournal

#: Longer names of who called sudo are not believed to be names.
_NAME_LENGTH_MAX = 32


def catalog() -> InstalledCatalog:
    """The installed plug-ins."""
    return InstalledCatalog()


def load_playbook(
    path: Path, inputs: Mapping[str, str], *, known: Catalog, environ: Mapping[str, str]
) -> Playbook:
    """Reads and checks a playbook. Raises `InvalidPlaybook` with every problem."""
    from rolloutctl import playbook_file  # noqa: PLC0415 - YAML, for commands that read one

    return playbook_file.load(path, inputs=inputs, env=environ, catalog=known)


def load_targets(
    path: Path, inputs: Mapping[str, str], *, known: Catalog, environ: Mapping[str, str]
) -> Mapping[str, Target]:
    """Reads only the targets of a playbook. Raises `InvalidPlaybook`."""
    from rolloutctl import playbook_file  # noqa: PLC0415 - YAML, for commands that read one

    return playbook_file.targets(path, inputs=inputs, env=environ, catalog=known)


def kinds(playbook: Playbook, known: Catalog) -> Kinds:
    """The pure plug-ins that the playbook names."""
    from rolloutctl.core.ports import Kinds  # noqa: PLC0415 - not for `kill ADDRESS`

    return Kinds(
        gates={
            kind: known.load("gates", kind)()
            for kind in sorted({gate.kind for gate in playbook.gates.values()})
        },
        steps={
            kind: known.load("steps", kind)() for kind in sorted({s.kind for s in playbook.steps})
        },
    )


def adapters(playbook: Playbook, known: Catalog) -> Adapters:
    """Builds what the playbook names; does no I/O."""
    from rolloutctl.cli.together import together  # noqa: PLC0415 - not for `kill ADDRESS`
    from rolloutctl.runner.adapters import Adapters  # noqa: PLC0415 - same

    reached = providers(playbook.targets, known)
    sources = {
        source.name: known.load("sources", source.kind)(source.spec)
        for source in playbook.sources.values()
    }
    return Adapters(
        kinds=kinds(playbook, known),
        providers=reached,
        sources={**sources, **_sdks(playbook, reached)},
        notifiers=notifiers(playbook, known),
        gather=together,
        invoke=_invoker(playbook, reached),
        beside=_beside,
    )


def _sdks(playbook: Playbook, reached: Mapping[str, Provider]) -> dict[str, MetricSource]:
    """The SDKs that gates of kind `exposure` ask."""
    from rolloutctl.core.exposure_gates import GATE_KIND  # noqa: PLC0415 - not for `kill ADDRESS`
    from rolloutctl.runner.exposure_source import ExposureSource  # noqa: PLC0415 - same

    return {
        gate.source: ExposureSource(reached[gate.target], playbook.targets[gate.target], _beside)
        for gate in playbook.gates.values()
        if gate.kind == GATE_KIND
    }


def providers(targets: Mapping[str, Target], known: Catalog) -> dict[str, Provider]:
    """The adapter of each target by its name; does no I/O."""
    return {name: known.load("providers", target.provider)() for name, target in targets.items()}


def notifiers_in(document: str, known: Catalog) -> dict[str, Notifier]:
    """The notifiers of a journalled document. Raises `InvalidPlaybook`, `InvalidSettings`."""
    from rolloutctl.core.parse import parse_document  # noqa: PLC0415 - after a kill

    return notifiers(parse_document(document, known), known)


def notifiers(playbook: Playbook, known: Catalog) -> dict[str, Notifier]:
    """The notifiers that the playbook names; does no I/O. Raises `InvalidSettings`."""
    return {
        entry.name: known.load("notifiers", entry.kind)(entry.spec)
        for entry in playbook.notifiers.values()
    }


def _invoker(playbook: Playbook, reached: Mapping[str, Provider]) -> Invoker:
    """Begins the playbook's invocations; what runs them loads at the first one."""

    def run(effect: Invoke, key: str, timeout_s: float) -> Running:
        from rolloutctl.core.effects import cleanup_in  # noqa: PLC0415 - same as below

        if cleanup := cleanup_in(effect):
            from rolloutctl.runner.clean_up import clean_up  # noqa: PLC0415 - `cleanup` steps

            name = cleanup["target"]
            work = clean_up(reached[name], playbook.targets[name], cleanup, timeout_s)
            return _beside(work)
        from rolloutctl.cli.secrets import remember_secrets  # noqa: PLC0415 - `run` steps only
        from rolloutctl.runner.beside import begin  # noqa: PLC0415 - same

        # SAFETY: a command may print a secret that this process has had no reason to read.
        remember_secrets(playbook, os.environ)
        return begin(effect, key, timeout_s)

    return run


def _beside(work: Callable[[Ending], InvokeResult]) -> Running:
    """Begins a notification beside the ticks; what runs it loads at the first one."""
    from rolloutctl.runner.beside import in_thread_left_behind  # noqa: PLC0415 - `notify` steps

    return in_thread_left_behind(work)


def provider_at(address: str, known: Catalog) -> tuple[Provider, object]:
    """The provider of `provider://place` and the decoded spec of that place.

    Raises:
        UsageError: it is no address, no installed provider has that name, or the place is
            not one of that provider's.
    """
    name, separator, _ = address.partition("://")
    if not separator:
        raise UsageError(
            f"{address!r} is not an address",
            hint="an address is provider://place, such as flagd-file:///etc/flags.json#llm-model",
        )
    try:
        provider: Provider = known.load("providers", name)()
    except NotFound as error:
        raise UsageError(error.message, hint=error.hint) from error
    return provider, provider.TargetSpec(**provider.parse_address(address))


def journal(
    store: str,
    environ: Mapping[str, str],
    *,
    read_only: bool = False,
    must_exist: bool = False,
    busy_limit_s: float | None = None,
) -> SqliteJournal:
    """The journal that `--store` or the environment names; hints name it from here on.

    Args:
        store: the value of `--store`; empty if it was not given.
        environ: the process's environment.
        read_only: reads without write access.
        must_exist: an empty journal is no answer: nothing is made.
        busy_limit_s: longest wait for other writers; the journal's own limit if None.

    Raises:
        JournalUnavailable: it cannot be used; nothing was changed.
        NotFound: it must exist, and does not.
    """
    from rolloutctl.store.sqlite import SqliteJournal  # noqa: PLC0415 - SQLite, where needed
    from rolloutctl.ui.hints import name_store  # noqa: PLC0415 - same

    path, is_named = journal_place(store, environ)
    name_store(str(path) if store else "")
    if must_exist:
        _raise_if_missing(path, is_named=is_named)
    if busy_limit_s is None:
        return SqliteJournal(path, read_only=read_only)
    return SqliteJournal(path, read_only=read_only, busy_limit_s=busy_limit_s)


def journal_place(store: str, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Where the journal lies or would lie, and whether somebody said so."""
    from rolloutctl.store.place import default_path, is_placed  # noqa: PLC0415 - where needed

    return default_path(environ, store=store), is_placed(environ, store=store)


def _raise_if_missing(path: Path, *, is_named: bool) -> None:
    """SAFETY: a mistyped path must not look like a journal in which nothing is exposed."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return  # opening it says what is wrong
    else:
        return
    if is_named:
        hint = "correct --store or ROLLOUTCTL_STORE; `rolloutctl start` makes a new journal"
    else:
        hint = "nothing has been started here yet; is it in another one? --store, ROLLOUTCTL_STORE"
    raise NotFound(f"no journal at {path}", hint=hint)


def clock() -> Clock:
    """The system's time; a function so that tests can put another one in its place."""
    return SystemClock()


def open_rollout(rollout_id: str, ledger: Journal, *, known: Catalog, at: Clock) -> Rollout:
    """A rollout as its journal tells it, with the adapters that it names.

    Raises:
        NotFound: the journal has no such rollout.
        IllegalEvent: its events cannot follow each other.
        InvalidPlaybook, InvalidSettings: a plug-in that it needs is missing here.
    """
    from rolloutctl.core.parse import parse_document  # noqa: PLC0415 - commands on rollouts only
    from rolloutctl.runner.rollout import Rollout  # noqa: PLC0415 - same

    document = _document_in(rollout_id, _start_of(rollout_id, ledger))
    with _journalled(rollout_id):
        playbook = parse_document(document, known)
    rollout = Rollout.open(
        rollout_id,
        playbook=playbook,
        adapters=adapters(playbook, known),
        journal=ledger,
        clock=at,
    )
    rollout.onlookers = glances(ledger)
    return rollout


def glances(ledger: Journal) -> Glances | None:
    """What drivers leave beside this journal for onlookers; None for one that is no file."""
    from rolloutctl.store.glances import Glances  # noqa: PLC0415 - commands on rollouts only

    path = getattr(ledger, "path", None)
    return Glances(path) if path is not None else None


def open_way_back(rollout_id: str, ledger: Journal, *, known: Catalog, at: Clock) -> Rollout:
    """A rollout that can be killed or go back, and nothing else; only providers are needed.

    Raises:
        NotFound: the journal has no such rollout.
        IllegalEvent: its events cannot follow each other.
        InvalidPlaybook, InvalidSettings: the provider of a target is missing here.
    """
    rollout = open_to_kill(_start_of(rollout_id, ledger), rollout_id, ledger, known=known, at=at)
    rollout.refresh()
    return rollout


def open_to_kill(
    began: Recorded, rollout_id: str, ledger: Journal, *, known: Catalog, at: Clock
) -> Rollout:
    """A rollout as it began, by its first event alone; only providers are needed.

    Raises:
        IllegalEvent: that event is no start.
        InvalidPlaybook, InvalidSettings: the provider of a target is missing here.
    """
    from rolloutctl.core.machine import fold  # noqa: PLC0415 - as above
    from rolloutctl.core.parse_way_back import parse_way_back  # noqa: PLC0415 - same
    from rolloutctl.core.ports import Kinds  # noqa: PLC0415 - same
    from rolloutctl.runner.adapters import Adapters  # noqa: PLC0415 - same
    from rolloutctl.runner.rollout import Rollout  # noqa: PLC0415 - same

    document = _document_in(rollout_id, began)
    with _journalled(rollout_id):
        playbook = parse_way_back(document, known)
    return Rollout(
        rollout_id=rollout_id,
        playbook=playbook,
        adapters=Adapters(
            kinds=Kinds(gates={}, steps={}), providers=providers(playbook.targets, known)
        ),
        journal=ledger,
        clock=at,
        state=fold(rollout_id, [began]),
    )


def _start_of(rollout_id: str, ledger: Journal) -> Recorded:
    records = ledger.read(rollout_id)
    if not records:
        raise _without_start(rollout_id)
    return records[0]


def _document_in(rollout_id: str, began: Recorded) -> str:
    from rolloutctl.core.events import Started  # noqa: PLC0415 - as above

    if not isinstance(began.event, Started):
        raise _without_start(rollout_id)
    return began.event.document


@contextmanager
def _journalled(rollout_id: str) -> Iterator[None]:
    """Problems of a document from the journal: of which rollout, and no line of any file."""
    try:
        yield
    except InvalidPlaybook as error:
        place = f"rollout {rollout_id}"
        error.problems = tuple(one._replace(file=place, line=0, column=0) for one in error.problems)
        error.message = f"{place} cannot be read here: its playbook needs what is not installed"
        error.hint = (
            "install the plug-ins named above, or run the version of rolloutctl that started it"
        )
        raise


def _without_start(rollout_id: str) -> IllegalEvent:
    return IllegalEvent(f"{rollout_id}: it does not begin with its start")


def actor() -> Actor:
    """Who runs this process, from where."""
    from rolloutctl.core.events import Actor  # noqa: PLC0415 - not for `kill ADDRESS`

    name = f"{_caller(os.environ)}{_user()}@{os.uname().nodename}"
    return Actor(name=name, terminal=_terminal(), pid=os.getpid())


def _caller(environ: Mapping[str, str]) -> str:
    """`ana as `, where sudo says who called; the account that acts is named as well.

    https://www.sudo.ws/docs/man/sudo.man/#SUDO_USER. Whoever acts as the shared account
    can claim any name, which is why the account stays in sight.
    """
    caller = environ.get("SUDO_USER", "")
    is_name = 0 < len(caller) <= _NAME_LENGTH_MAX and caller.replace("-", "").isalnum()
    return f"{caller} as " if is_name and caller != _user() else ""


def _user() -> str:
    """The real account, whatever LOGNAME says: the journal is an audit trail."""
    try:
        import pwd  # noqa: PLC0415 - not on every platform

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return f"uid-{os.getuid()}"  # containers run as accounts nobody named


def _terminal() -> str:
    for descriptor in (0, 2):
        try:
            return os.ttyname(descriptor).removeprefix("/dev/")
        except OSError:
            continue
    return ""
