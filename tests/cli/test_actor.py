"""Who acts, as the journal names them."""

import os
import pwd

import pytest

from rolloutctl.cli.wiring import actor

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name


def test_who_calls_sudo_is_named_beside_the_account_that_acts(monkeypatch):
    """A shared account would else be the only name in the audit trail."""
    monkeypatch.setenv("SUDO_USER", "ana-7")

    assert actor().name == f"ana-7 as {ACCOUNT}@{os.uname().nodename}"


@pytest.mark.parametrize("claimed", ["", ACCOUNT, "a b", "x@y", "\x1b[31m", "n" * 33])
def test_what_is_no_name_is_not_repeated(monkeypatch, claimed):
    """Nor the account's own."""
    monkeypatch.setenv("SUDO_USER", claimed)

    assert actor().name == f"{ACCOUNT}@{os.uname().nodename}"
