"""The one patch that may change the selector of a Service."""

import pytest

from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes.selector import SelectorSeen, Switch, build_switch_patch

KEY = "app.kubernetes.io/version"
SEEN = SelectorSeen(service="llm", resource_version="7", labels={"app": "llm", KEY: "blue"})


def test_a_switch_tests_version_and_whole_selector_before_it_writes() -> None:
    """The write comes last, and the slash of the label's key is escaped."""
    switch = Switch(key=KEY, to="green", ready=3, ready_min=3)

    patch = build_switch_patch(SEEN, switch)

    assert patch == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/spec/selector", "value": {"app": "llm", KEY: "blue"}},
        {"op": "replace", "path": "/spec/selector/app.kubernetes.io~1version", "value": "green"},
    ]


@pytest.mark.parametrize(("ready", "ready_min"), [(0, 0), (0, -1), (2, 3)])
def test_no_patch_is_built_without_ready_pods_behind_it(ready: int, ready_min: int) -> None:
    """A declared minimum of none still needs one pod: no Service is emptied."""
    switch = Switch(key=KEY, to="green", ready=ready, ready_min=ready_min)

    with pytest.raises(Rejected, match=f"{ready} ready pods <"):
        build_switch_patch(SEEN, switch)


def test_a_label_that_the_selector_lacks_is_refused() -> None:
    """A `replace` on a missing key would add it and narrow the Service."""
    switch = Switch(key="colour", to="green", ready=3, ready_min=1)

    with pytest.raises(Rejected, match="has no label colour"):
        build_switch_patch(SEEN, switch)


def test_a_selector_that_stands_is_not_written_again() -> None:
    """Switching to where it is writes nothing."""
    switch = Switch(key=KEY, to="blue", ready=1, ready_min=1)

    assert build_switch_patch(SEEN, switch) == []
