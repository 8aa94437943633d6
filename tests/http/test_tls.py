"""Certificates are checked unless it is said otherwise; made by the real openssl."""

import shutil
import ssl

import pytest

from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.http import HttpClient, HttpRequest, Tls
from servers.certificates import certificate
from servers.scripted import Answer, ScriptedServer

pytestmark = pytest.mark.real


@pytest.fixture
def server_files(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl on PATH")
    return certificate(tmp_path, "server")


def _server(files, *, client_authority=""):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    if client_authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    return ScriptedServer(Answer(), tls=context)


def _send(server, tls):
    return HttpClient(tls).send(HttpRequest(method="POST", url=server.url)).status


def test_an_unknown_authority_is_refused_before_anything_is_sent(server_files):
    """The hint names the key to set."""
    with _server(server_files) as server:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
            _send(server, Tls())

        assert "tls.ca_file" in caught.value.hint
        assert not caught.value.may_have_landed
        assert server.seen == []


def test_a_named_authority_is_trusted_and_checking_can_be_turned_off(server_files):
    """By its file, or for trials not at all."""
    with _server(server_files) as server:
        assert _send(server, Tls(ca_file=server_files[0])) == 200
        assert _send(server, Tls(insecure_skip_verify=True)) == 200


def test_a_client_certificate_is_shown_and_followed_when_it_rotates(server_files, tmp_path):
    """The files are read again when they change."""
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    paths = Tls(ca_file=server_files[0], cert_file=first[0], key_file=first[1])
    with _server(server_files, client_authority=first[0]) as server:
        assert _send(server, paths) == 200
    for old, new in zip(first, second, strict=True):
        shutil.move(new, old)
    with _server(server_files, client_authority=first[0]) as server:
        assert _send(server, paths) == 200


def test_a_key_with_a_password_does_not_ask_on_the_terminal(server_files, tmp_path):
    """OpenSSL would wait for a human."""
    files = certificate(tmp_path, "locked", "-passout", "pass:planted")

    with pytest.raises(Rejected, match="encrypted"):
        HttpClient(Tls(ca_file=server_files[0], cert_file=files[0], key_file=files[1])).send(
            HttpRequest(method="GET", url="https://127.0.0.1:1")
        )
