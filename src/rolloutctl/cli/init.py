"""`rolloutctl init`: writes a first playbook, commented, that passes `lint`."""

from __future__ import annotations

import os
import re
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.starter.asking import ask, ask_choice
from rolloutctl.cli.starter.strategies import TRAITS, Strategy
from rolloutctl.cli.starter.template import METRICS, PLACES, Choices, Source, playbook_text
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

#: Written to standard output instead of a file.
STDOUT = "-"
_UNFIT = re.compile(r"[^a-z0-9]+")


class ProviderName(StrEnum):
    """The providers that there is a template for."""

    FLAGD_FILE = "flagd-file"
    UNLEASH = "unleash"
    LAUNCHDARKLY = "launchdarkly"
    KUBERNETES = "kubernetes"


_PROVIDERS = (
    (ProviderName.FLAGD_FILE, "a flagd flag file"),
    (ProviderName.UNLEASH, "an Unleash server"),
    (ProviderName.LAUNCHDARKLY, "LaunchDarkly"),
    (ProviderName.KUBERNETES, "a Kubernetes cluster"),
)
_SOURCES = (
    (Source.PROMETHEUS, "a Prometheus server"),
    (Source.OPENMETRICS, "the application's own /metrics"),
)

#: (what is named, its usual name, where it is), as they are asked for
_FLAG_WORDS = ("the flag's key", "my-flag", "where it is")
_CLUSTER_WORDS = (
    "the Service or HTTPRoute",
    "my-app",
    "the context (kubectl config get-contexts)",
)

Text = Annotated[str, typer.Option(show_default=False)]


def run(  # noqa: PLR0913 - one parameter for each thing that a playbook names
    *,
    strategy: Annotated[
        Strategy | None,
        typer.Option("--strategy", help="See: rolloutctl advise.", show_default=False),
    ] = None,
    provider: Annotated[
        ProviderName | None,
        typer.Option("--provider", help="What is written to.", show_default=False),
    ] = None,
    flag: Annotated[
        str,
        typer.Option("--flag", metavar="FLAG", help="The flag's key, or the Service or HTTPRoute."),
    ] = "",
    control: Annotated[
        str, typer.Option("--control", metavar="ARM", help="The variant served today.")
    ] = "",
    canary: Annotated[
        str, typer.Option("--canary", metavar="ARM", help="The variant to try.")
    ] = "",
    place: Annotated[
        str,
        typer.Option(
            "--place", metavar="PLACE", help="The flag file, the server's URL, or the context."
        ),
    ] = "",
    source: Annotated[
        Source | None,
        typer.Option("--source", help="Where the numbers come from.", show_default=False),
    ] = None,
    metrics: Annotated[str, typer.Option("--metrics", metavar="URL", help="Its URL.")] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The playbook's name.")] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Default: NAME.yaml; - is stdout.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> ExitCode:
    """Write a first playbook for a strategy and a provider, with every line explained.

    Asks at a terminal for what is not given, and takes defaults elsewhere. What must be
    changed by hand is marked with CHANGE. The file passes `rolloutctl lint` as it is.

    Example: rolloutctl init --strategy canary --provider flagd-file --flag checkout --out -
    """
    console = Console()
    asks = console.can_ask
    chosen = strategy or (_ask_strategy(console) if asks else Strategy.CANARY)
    written_to = provider or (_ask_provider(console) if asks else ProviderName.FLAGD_FILE)

    is_cluster = written_to is ProviderName.KUBERNETES
    _raise_unless_possible(chosen, is_cluster=is_cluster)

    def text(given: str, question: str, default: str) -> str:
        return given or (ask(console, question, default) if asks else default)

    what, usual, where = _CLUSTER_WORDS if is_cluster else _FLAG_WORDS
    flag = text(flag, what, usual)
    control = text(control, "the variant that everybody has today", "v1")
    canary = text(canary, "the variant to try", "v2")
    place = text(place, where, PLACES[written_to])
    numbers = source or (
        ask_choice(console, "where do the numbers come from?", _SOURCES, Source.PROMETHEUS)
        if asks
        else Source.PROMETHEUS
    )
    choices = Choices(
        strategy=chosen,
        provider=written_to.value,
        name=text(name, "the playbook's name", _named(canary, flag)),
        flag=flag,
        control=control,
        canary=canary,
        place=str(Path(place).absolute()) if written_to is ProviderName.FLAGD_FILE else place,
        source=numbers,
        metrics=text(metrics, "its URL", METRICS[numbers]),
    )
    return _write(console, choices, out=out or f"{choices.name}.yaml", force=force)


def _raise_unless_possible(strategy: Strategy, *, is_cluster: bool) -> None:
    if strategy is Strategy.AB_TEST and is_cluster:
        raise UsageError(
            "an A/B test needs users who keep their arm; a cluster splits requests",
            hint="--provider flagd-file, unleash or launchdarkly",
        )


def _ask_strategy(console: Console) -> Strategy:
    choices = [(one, traits.summary) for one, traits in TRAITS.items()]
    return ask_choice(console, "which strategy? (advise tells)", choices, Strategy.CANARY)


def _ask_provider(console: Console) -> ProviderName:
    return ask_choice(console, "what is written to?", _PROVIDERS, ProviderName.FLAGD_FILE)


def _named(canary: str, flag: str) -> str:
    """A playbook's name made of these: small letters, digits and hyphens."""
    return _UNFIT.sub("-", f"{flag}-{canary}".lower()).strip("-")[:60] or "my-rollout"


def _write(console: Console, choices: Choices, *, out: str, force: bool) -> ExitCode:
    """Writes the file, unless there is one; nothing is written that does not lint.

    Raises `UsageError`.
    """
    text = playbook_text(choices)
    _raise_if_wrong(text)
    if out == STDOUT:
        console.data(text.removesuffix("\n"))
        return ExitCode.DONE
    path = Path(out)
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists; nothing was written", hint="another --out FILE, or --force"
        )
    _tried(path, lambda: path.write_text(text, encoding="utf-8"))
    console.talk(
        f"wrote {path}: {choices.strategy} on {choices.provider}\n"
        f"next:  look at the lines marked CHANGE, then\n"
        f"       rolloutctl lint {path}\n"
        f"       rolloutctl plan {path}     what would be written, and what the gates can see"
    )
    return ExitCode.DONE


def _tried(path: Path, work: Callable[[], object]) -> None:
    try:
        work()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="another --out FILE"
        ) from error


def _raise_if_wrong(text: str) -> None:
    """SAFETY of the promise: what somebody typed may be no name, no URL, no flag."""
    from rolloutctl import playbook_file  # noqa: PLC0415 - YAML, where it is needed

    with tempfile.TemporaryDirectory(prefix="rolloutctl-init-") as folder:
        path = Path(folder) / "playbook.yaml"
        path.write_text(text, encoding="utf-8")
        found = playbook_file.lint(path, inputs={}, env=os.environ, catalog=wiring.catalog())
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise UsageError(
            f"{errors[0].message}; nothing was written", hint=errors[0].fix or "change that value"
        )
