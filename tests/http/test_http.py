"""Every way an exchange can end has one error, one message and nothing secret in it."""

import socket
import threading

import pytest

from rolloutctl.clock import monotonic_s
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import remember
from rolloutctl.errors import Conflict, NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.http import Access, BasicAuth, HttpClient, HttpRequest, Tls, client, shown
from rolloutctl.http.address import is_clear_text, with_path, without_user
from servers.scripted import Answer, Fault, ScriptedServer, free_port


def post(url, **more):
    return HttpRequest(method="POST", url=url, body=b"{}", **more)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Rejected),
        (302, Rejected),
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (407, Unauthorized),
        (408, Unavailable),
        (409, Conflict),
        (410, NotFound),
        (412, Conflict),
        (418, Rejected),
        (422, Rejected),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
    ],
)
def test_every_status_has_its_error(status, error):
    """The message names the method, the address, the status and what was said."""
    with (
        ScriptedServer(Answer(status=status, body='{"m": "because"}')) as server,
        pytest.raises(error) as caught,
    ):
        HttpClient().send(post(f"{server.url}/flags?token=planted"))

    assert f"POST {server.url}/flags?…: {status}" in caught.value.message
    assert "planted" not in caught.value.message
    if status >= 400:
        assert "because" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "writes", "landed"),
    [
        (Answer(status=500), True, True),
        (Answer(status=500), False, False),
        (Answer(status=429), True, False),
        (Answer(fault=Fault.DROP), True, True),
        (Answer(fault=Fault.DROP), False, False),
        (Answer(fault=Fault.HANG), True, True),
        (Answer(fault=Fault.CUT, body="0123456789"), True, True),
        (Answer(fault=Fault.DRIP_HEADERS), True, True),
        (Answer(fault=Fault.DRIP_BODY, body="x" * 500), True, True),
    ],
)
def test_a_lost_answer_says_whether_the_write_may_have_landed(answer, writes, landed):
    """The runner leaves an intent open only if this is true."""
    with ScriptedServer(answer) as server:
        started_s = monotonic_s()
        with pytest.raises(Unavailable) as caught:
            HttpClient(total_timeout_s=0.3).send(post(server.url, writes=writes))
        took_s = monotonic_s() - started_s

    assert caught.value.may_have_landed is landed
    assert took_s < 2.0
    assert len(server.seen) == 1, "a request must never be sent twice"


def test_a_refused_connection_has_not_landed():
    """Nothing was sent, so the intent can be closed at once."""
    with pytest.raises(Unavailable, match="refused") as caught:
        HttpClient().send(post(f"http://127.0.0.1:{free_port()}/x"))

    assert not caught.value.may_have_landed


def test_an_unknown_host_has_not_landed():
    """`.invalid` never resolves (RFC 2606)."""
    with pytest.raises(Unavailable) as caught:
        HttpClient(total_timeout_s=5).send(post("http://host.invalid/x"))

    assert not caught.value.may_have_landed


def test_a_name_that_resolves_too_late_sends_nothing(monkeypatch):
    """A caller who was told "not sent" must be right for ever."""
    late = threading.Event()
    real = socket.getaddrinfo

    def slow(*arguments, **more):
        late.wait(5)
        return real(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ScriptedServer(Answer()) as server:
        request, impatient = post(server.url), HttpClient(total_timeout_s=0.1)
        with pytest.raises(Unavailable, match=r"within 0\.1 s") as caught:
            impatient.send(request)
        late.set()
        for thread in threading.enumerate():
            if thread.name.startswith("http "):
                thread.join(5)

    assert not caught.value.may_have_landed
    assert server.seen == []


def test_no_time_left_means_nothing_is_sent():
    """An intent past its deadline is never sent."""
    with ScriptedServer(Answer()) as server, pytest.raises(Unavailable, match="not sent") as caught:
        HttpClient().send(post(server.url), timeout_s=0)

    assert not caught.value.may_have_landed
    assert server.seen == []


def test_a_host_that_hangs_again_and_again_is_refused_at_once(monkeypatch):
    """Threads are bounded, and other hosts are not affected."""
    monkeypatch.setattr(client, "HUNG_CALLS_MAX", 1)
    with ScriptedServer(Answer(fault=Fault.DRIP_HEADERS)) as bad, ScriptedServer(Answer()) as good:
        with pytest.raises(Unavailable, match="no answer within"):
            HttpClient(total_timeout_s=2.0).send(post(bad.url))
        with pytest.raises(Unavailable, match="still hang"):
            HttpClient(total_timeout_s=0.1).send(post(bad.url))
        assert HttpClient().send(post(good.url)).status == 200


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("7", "", 7.0),
        ("0", "", 0.0),
        ("9" * 5000, "", 3600.0),
        ("-3", "", None),
        ("nan", "", None),
        ("soon", "", None),
        ("", "", None),
        ("Fri, 01 Jan 2027 00:00:30 GMT", "Fri, 01 Jan 2027 00:00:00 GMT", 30.0),
        ("Fri, 01 Jan 2027 00:00:00 GMT", "Fri, 01 Jan 2027 00:00:30 GMT", 0.0),
        ("Fri, 01 Jan 1999 00:00:00 GMT", "", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_bounded(value, date, expected):
    """The date is taken against the server's own clock."""
    headers = {"Retry-After": value, **({"Date": date} if date else {})}
    with (
        ScriptedServer(Answer(status=429, headers=headers)) as server,
        pytest.raises(Unavailable) as caught,
    ):
        HttpClient().send(post(server.url))

    assert caught.value.retry_after_s == expected


def test_redirects_are_not_followed_and_their_target_is_named():
    """A login page must not be mistaken for the service."""
    answer = Answer(status=302, headers={"Location": "https://login.example/sso?state=planted"})
    with (
        ScriptedServer(answer) as server,
        pytest.raises(Rejected, match=r"redirect to https://login\.example/sso") as caught,
    ):
        HttpClient().send(post(server.url))

    assert "planted" not in str(caught.value)
    assert len(server.seen) == 1


def test_an_answer_too_large_or_compressed_is_refused():
    """Memory is bounded, also against a small answer that unpacks into a large one."""
    large, packed = Answer(body="x" * 101), Answer(headers={"Content-Encoding": "gzip"})
    with ScriptedServer(large, packed) as server:
        small = HttpClient(body_bytes_max=100)
        with pytest.raises(Unavailable, match="larger than 100 bytes"):
            small.send(post(server.url))
        with pytest.raises(Unavailable, match="compressed"):
            small.send(post(server.url))

    assert server.seen[0].headers["accept-encoding"] == "identity"


def test_an_error_page_is_named_not_quoted():
    """200 characters of HTML help nobody."""
    page = Answer(status=502, body="<html>planted</html>", content_type="text/html; charset=utf-8")
    with ScriptedServer(page) as server, pytest.raises(Unavailable, match="an HTML page") as caught:
        HttpClient().send(post(server.url))

    assert "planted" not in str(caught.value)


def test_an_errors_body_is_one_short_printable_line():
    """Escape sequences must not reach a terminal, nor half a secret a log."""
    remember("planted-secret-4711")
    body = "\x1b[31mred\r\n" + "y" * 180 + " planted-secret-4711 " + "z" * 500
    with (
        ScriptedServer(Answer(status=400, body=body, content_type="text/plain")) as server,
        pytest.raises(Rejected) as caught,
    ):
        HttpClient().send(post(server.url))

    assert caught.value.message.isprintable()
    assert "planted" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/x",
        "host:80",
        "http://",
        "http://host:99999/",
        "http://host:x/",
        "http://[::1",
        "http://ho st/",
        "http://host/\n",
        "http://host/" + "x" * 9000,
        "http://h\u00e4\u0000st/",
        "http://" + "a" * 300 + "/",
    ],
)
def test_a_bad_address_is_rejected_before_anything_is_sent(url):
    """Whatever stands in a playbook's url, the error is ours."""
    with pytest.raises((Rejected, Unavailable)) as caught:
        HttpClient(total_timeout_s=5).send(post(url))

    assert not getattr(caught.value, "may_have_landed", False)


def test_cookies_of_one_answer_do_not_go_out_with_another_request():
    """Connections are shared by all adapters."""
    with ScriptedServer(Answer(headers={"Set-Cookie": "session=planted; Path=/"})) as server:
        HttpClient().send(post(server.url))
        HttpClient().send(post(server.url))

    assert "cookie" not in server.seen[1].headers


def test_expected_statuses_are_handed_back():
    """Prometheus explains a 400 in its body."""
    with ScriptedServer(Answer(status=400, body='{"a": 1}')) as server:
        response = HttpClient().send(post(server.url, expected=frozenset({400})))

    assert (response.status, response.json()) == (400, {"a": 1})


def test_json_that_is_none_names_the_content_type():
    """A proxy's login page answers 200 with HTML."""
    page = Answer(body="<html>", content_type="text/html")
    with ScriptedServer(page, Answer(body="[" * 100_000)) as server:
        with pytest.raises(Unavailable, match="200 with text/html instead of JSON"):
            HttpClient().send(post(server.url)).json()
        with pytest.raises(Unavailable, match="instead of JSON"):
            HttpClient().send(post(server.url)).json()


def test_secrets_are_read_for_each_request(monkeypatch):
    """A rotated token is used at once."""
    access = Access(bearer_token=SecretRef(env="TOKEN"), headers={"X-Key": SecretRef(env="KEY")})
    monkeypatch.setenv("KEY", "planted-key")
    monkeypatch.setenv("TOKEN", "planted-one")
    first = access.sent_headers()
    monkeypatch.setenv("TOKEN", "planted-two")

    assert first == {"X-Key": "planted-key", "Authorization": "Bearer planted-one"}
    assert access.sent_headers()["Authorization"] == "Bearer planted-two"


def test_basic_auth_comes_from_the_spec_or_from_an_environments_address(monkeypatch):
    """Either way, once."""
    monkeypatch.setenv("PASSWORD", "planted-pw")
    basic = Access(basic_auth=BasicAuth(username="ops", password=SecretRef(env="PASSWORD")))
    url, user = without_user("https://ops:planted-pw@host:1/x?y=z")

    assert url == "https://host:1/x?y=z"
    assert basic.sent_headers() == Access().sent_headers(user)
    with pytest.raises(Rejected, match="other credentials"):
        basic.sent_headers(user)


@pytest.mark.parametrize("value", ["planted\r\nX-Evil: 1", "plantéd"])
def test_a_secret_that_cannot_stand_in_a_header_is_refused_unseen(monkeypatch, value):
    """The HTTP library would quote it in its own error."""
    monkeypatch.setenv("TOKEN", value)

    with pytest.raises(Unauthorized, match="cannot stand in the header") as caught:
        Access(bearer_token=SecretRef(env="TOKEN")).sent_headers()
    assert "plant" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"timeout_s": 0},
        {"timeout_s": 1e9},
        {"headers": {"X Key": SecretRef(env="K")}},
        {
            "bearer_token": SecretRef(env="T"),
            "basic_auth": BasicAuth(username="u", password=SecretRef(env="P")),
        },
    ],
)
def test_contradictory_access_is_a_value_error(more):
    """Lint shows it at the spec's place."""
    with pytest.raises(ValueError):
        Access(**more)


def test_allowed_but_unwise_access_is_a_warning(tmp_path):
    """Readable secret files, unchecked certificates, clear text."""
    file = tmp_path / "token"
    file.write_text("planted-4711")
    file.chmod(0o644)
    access = Access(
        bearer_token=SecretRef(file=str(file)),
        basic_auth=None,
        tls=Tls(insecure_skip_verify=True),
    )

    messages = " ".join(finding.message for finding in access.findings("http://metrics.example"))

    assert "mode 0644" in messages
    assert "certificate is not checked" in messages
    assert "clear text" in messages
    assert not is_clear_text("http://127.0.0.1:9090")


def test_addresses_are_shown_without_what_may_be_secret():
    """User, password, query and fragment never; the path on demand."""
    url = "https://ops:planted@host:1/a/b?token=planted#planted"

    assert shown(url) == "https://host:1/a/b?…"
    assert shown(url, path=False) == "https://host:1/…"
    assert shown("/login?next=planted") == "/login?…"
    assert shown("/login", path=False) == "/…"
    assert shown("http://[::1") == "(not an address)"
    assert with_path("http://host/prom/?x=1", "/api/v1/query") == "http://host/prom/api/v1/query"


def test_tls_files_that_cannot_be_used_are_rejected(tmp_path):
    """Missing or not PEM; nothing is sent."""
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    for tls in (Tls(ca_file="/missing"), Tls(ca_file=str(file)), Tls(cert_file=str(file))):
        with pytest.raises(Rejected, match="TLS files cannot be used"):
            HttpClient(tls).send(post("https://127.0.0.1:1/"))
