import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rolloutctl.core import ports
from rolloutctl.errors import InvalidSettings, NotFound
from rolloutctl.plugins import BUILT_INS, CONTRACTS, InstalledCatalog, Registration

ROOT = Path(__file__).parents[1]
PROTOCOLS = {
    "providers": ports.Provider,
    "sources": ports.MetricSource,
    "notifiers": ports.Notifier,
    "gates": ports.GateKind,
    "steps": ports.StepKind,
}


class Whole:
    """A notifier that keeps its contract."""

    name = "whole"
    Spec = object

    def notify(self, message, *, timeout_s):
        """Tells nobody."""


class Half:
    """A notifier that forgot to notify."""

    name = "half"
    Spec = object


def registration(name, reference, *, group="notifiers", distribution="acme-plugins"):
    return Registration(group=group, name=name, reference=reference, distribution=distribution)


def catalog_of(*registrations):
    return InstalledCatalog(lambda: registrations)


@pytest.fixture
def here(monkeypatch):
    """This test module's import name, so that registrations can refer to it."""
    monkeypatch.setitem(sys.modules, "plugins_under_test", sys.modules[__name__])
    return "plugins_under_test"


def test_the_table_of_built_ins_equals_the_entry_points_of_the_project():
    """The kill switch's shortcut never differs from the door everybody uses."""
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]

    assert {f"rolloutctl.{group}": dict(table) for group, table in BUILT_INS.items()} == written


@pytest.mark.parametrize("group", sorted(CONTRACTS))
def test_the_checked_contract_equals_the_protocol(group):
    """A method added to a protocol is demanded of plug-ins from then on."""
    protocol = PROTOCOLS[group]
    declared = set(protocol.__annotations__) | {
        name for name, member in vars(protocol).items() if callable(member) and name[0] != "_"
    }

    assert set(CONTRACTS[group]) == declared


def test_a_built_in_is_loaded_without_reading_package_metadata():
    """`kill` pays nothing for plug-ins it does not name."""
    code = (
        "import sys; from rolloutctl.plugins import InstalledCatalog;"
        "InstalledCatalog().load('steps', 'wait');"
        "sys.exit('importlib.metadata' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    assert done.returncode == 0, done.stderr


def test_a_stranger_is_found_beside_the_built_ins(here):
    """Third parties need one entry-point line and nothing else."""
    catalog = catalog_of(registration("whole", f"{here}:Whole"))

    assert "whole" in catalog.names("notifiers")
    assert "webhook" in catalog.names("notifiers")
    assert catalog.load("notifiers", "whole") is Whole


def test_two_strangers_with_one_name_are_refused_naming_both(here):
    """Which of two plug-ins runs is never left to the order of a path."""
    catalog = catalog_of(
        registration("whole", f"{here}:Whole"),
        registration("whole", f"{here}:Whole", distribution="other-plugins"),
    )

    with pytest.raises(InvalidSettings) as caught:
        catalog.names("notifiers")

    assert "acme-plugins" in caught.value.message
    assert "other-plugins" in caught.value.message


def test_a_stranger_never_takes_the_name_of_a_built_in(here):
    """A package that claims a built-in's name is refused, and does not get it meanwhile."""
    catalog = catalog_of(registration("wait", f"{here}:Whole", group="steps"))

    assert catalog.load("steps", "wait").__module__ == "rolloutctl.steps.wait"
    with pytest.raises(InvalidSettings, match="acme-plugins"):
        catalog.names("steps")


def test_an_unknown_name_lists_the_known_ones_and_the_closest():
    """A typing error is answered with what could have been meant."""
    known = "known: .*kubernetes, openmetrics, prometheus"
    with pytest.raises(NotFound, match=known) as caught:
        catalog_of().load("sources", "prometeus")

    assert "'prometheus'" in caught.value.hint


def test_a_plug_in_that_cannot_be_imported_names_its_distribution():
    """The reader learns whose package is broken, not only that an import failed."""
    catalog = catalog_of(registration("gone", "no_such_module_here:Gone"))

    with pytest.raises(InvalidSettings, match="acme-plugins") as caught:
        catalog.load("notifiers", "gone")

    assert "no_such_module_here" in caught.value.message


def test_a_plug_in_that_misses_a_method_is_refused_naming_it(here):
    """A contract is checked before the rollout, not in the middle of it."""
    catalog = catalog_of(registration("half", f"{here}:Half"))

    with pytest.raises(InvalidSettings, match="lacks notify"):
        catalog.load("notifiers", "half")


def test_a_plug_in_under_another_name_than_its_own_is_refused(here):
    """Journals and messages use the class's name; it must be the registered one."""
    catalog = catalog_of(registration("alias", f"{here}:Whole"))

    with pytest.raises(InvalidSettings, match="'whole'"):
        catalog.load("notifiers", "alias")


def test_the_installed_package_registers_what_the_table_says():
    """An installation that lost its entry points is noticed."""
    for group, table in BUILT_INS.items():
        installed = importlib.metadata.entry_points(group=f"rolloutctl.{group}")

        own = {e.name: e.value for e in installed if e.dist and e.dist.name == "rolloutctl"}

        assert own == dict(table)
