"""Secrets are read from their places and never leave."""

import base64
import json
import os
import stat
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl import credentials
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import (
    read_place,
    read_secret,
    redact,
    remember,
    secret_file_note,
)
from rolloutctl.errors import Unauthorized


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch):
    """Every test starts with nothing remembered."""
    monkeypatch.setattr(credentials, "_remembered", {})
    monkeypatch.setattr(credentials, "_forms", ())


def test_a_secret_comes_from_the_environment_and_prints_as_stars():
    """The value is there for the client and for nobody else."""
    secret = read_secret(SecretRef(env="TOKEN"), {"TOKEN": "planted-4711\n"})

    assert secret.reveal() == "planted-4711"
    assert f"{secret} {secret!r}" == "*** ***"
    assert redact("got planted-4711 back") == "got *** back"


def test_a_secret_comes_from_a_file_without_its_last_line_break(tmp_path):
    """Editors end files with a line break; passwords have none."""
    file = tmp_path / "token"
    file.write_text("planted-4711\r\n")

    assert read_secret(SecretRef(file=str(file))).reveal() == "planted-4711"


def test_a_rotated_secret_is_read_anew(tmp_path):
    """Nothing is cached: the old and the new value are both kept out of messages."""
    file = tmp_path / "token"
    file.write_text("planted-old")
    read_secret(SecretRef(file=str(file)))
    file.write_text("planted-new")

    assert read_secret(SecretRef(file=str(file))).reveal() == "planted-new"
    assert redact("planted-old planted-new") == "*** ***"


@pytest.mark.parametrize(
    ("env", "expected"),
    [({}, "TOKEN is not set"), ({"TOKEN": ""}, "TOKEN is empty"), ({"TOKEN": "\n"}, "is empty")],
)
def test_a_missing_variable_says_which_and_what_to_do(env, expected):
    """An operator can act on the message alone."""
    with pytest.raises(Unauthorized, match=expected) as caught:
        read_secret(SecretRef(env="TOKEN"), env)

    assert "export TOKEN=" in caught.value.hint


def test_files_that_hold_no_secret_are_refused(tmp_path):
    """Missing, a folder, a pipe, too large, not text: each says so, none hangs."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (credentials.SECRET_BYTES_MAX + 1))
    (tmp_path / "bytes").write_bytes(b"planted\xff\xfe")
    (tmp_path / "empty").write_bytes(b"")
    expected = {
        "missing": "No such file",
        ".": "not a regular file|Is a directory",
        "pipe": "not a regular file",
        "large": "larger than",
        "bytes": "not UTF-8",
        "empty": "is empty",
        "a\0b": "not a possible file name",
    }

    for name, message in expected.items():
        with pytest.raises(Unauthorized, match=message) as caught:
            read_secret(SecretRef(file=str(tmp_path / name)))
        assert "planted" not in repr(caught.value.__cause__)


def test_encoded_forms_are_redacted_too():
    """URL-encoded, JSON-escaped and in a basic-auth header of any user name."""
    secret = 'pa/ss "wörd"+4711'
    remember(secret)
    forms = [
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        quote(secret, safe="").lower(),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode(),
    ]

    for form in forms:
        assert "4711" not in redact(f"a {form} b"), form
        assert form not in redact(f"a {form} b")


@given(user=st.text(max_size=8), secret=st.text(min_size=6, max_size=30))
def test_basic_auth_of_any_user_does_not_show_the_secret(user, secret):
    """Base64 looks different by what stands before; every offset is recognised."""
    remember(secret)
    pair = base64.b64encode(f"{user}:{secret}".encode()).decode()

    assert redact(f"Basic {pair}") != f"Basic {pair}"


def test_the_lines_of_a_key_file_are_redacted_one_by_one():
    """An error may quote a single line of it."""
    remember("-----BEGIN KEY-----\nMIIplanted4711\n-----END KEY-----")

    assert redact("bad line MIIplanted4711") == "bad line ***"


def test_a_text_too_short_to_be_a_secret_destroys_no_message():
    """`on` in a password would turn every message into stars."""
    read_secret(SecretRef(env="T"), {"T": "on"})

    assert redact("connection refused") == "connection refused"


def test_the_memory_is_bounded_and_keeps_what_is_used():
    """A token that rotates for months does not fill the memory; one in use stays."""
    remember("planted-in-use")
    for number in range(credentials.REMEMBERED_MAX - 1):
        remember(f"rotated-{number}")
    remember("planted-in-use")
    remember("one-more-secret")

    assert len(credentials._remembered) == credentials.REMEMBERED_MAX
    assert redact("planted-in-use rotated-0") == "*** rotated-0"


def test_a_file_that_everybody_can_read_is_noted_not_refused(tmp_path):
    """Mounted secrets are often like this; the probe says it."""
    file = tmp_path / "token"
    file.write_text("planted-4711")
    file.chmod(0o644)

    assert "mode 0644" in secret_file_note(SecretRef(file=str(file)))
    file.chmod(stat.S_IRUSR)
    assert secret_file_note(SecretRef(file=str(file))) == ""
    assert secret_file_note(SecretRef(file=str(tmp_path / "missing"))) == ""
    assert secret_file_note(SecretRef(env="TOKEN")) == ""


def test_a_place_is_read_but_stays_visible():
    """An address from the environment must be seen in errors."""
    url = read_place(SecretRef(env="URL"), {"URL": "http://metrics.example:9090"})

    assert redact(url) == url
    assert read_place("http://metrics.example") == "http://metrics.example"
