"""Connections, shared by everything in the process that trusts the same certificates.

httpx costs about 100 ms to import, a TLS context about 20 ms to build: both happen at
the first request, and not again.
"""

from __future__ import annotations

import atexit
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rolloutctl.errors import Rejected
from rolloutctl.http.access import Tls

if TYPE_CHECKING:
    import ssl

    import httpx

#: Open connections of one pool; the agent works with about 16 threads.
CONNECTIONS_MAX = 64
IDLE_CONNECTIONS_MAX = 16
#: Shorter than the idle limit of common servers and load balancers (nginx 75 s, ALB 60 s),
#: so that a request rarely meets a connection that is just being closed.
IDLE_S = 15.0
#: Different TLS settings kept open at once; a playbook has one or two.
POOLS_MAX = 16

_Key = tuple[Tls, tuple[int, ...]]
_pools: dict[_Key, httpx.Client] = {}
_lock = threading.Lock()


def pool_for(tls: Tls) -> httpx.Client:
    """The connections for these settings, opened at first use.

    Certificate files that changed since give a new pool: they rotate within a rollout.

    Raises:
        Rejected: a certificate file is missing or is not one.
    """
    key = (tls, _modified(tls))
    with _lock:
        if key not in _pools:
            while len(_pools) >= POOLS_MAX:
                # Not closed: a request may be using it; its sockets close with the last one.
                del _pools[next(iter(_pools))]
            _pools[key] = _open(tls)
        return _pools[key]


def _open(tls: Tls) -> httpx.Client:
    from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 - only where needed

    import httpx  # noqa: PLC0415 - 100 ms, paid by those who speak HTTP

    client = httpx.Client(
        verify=_context(tls),
        trust_env=True,  # HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE
        follow_redirects=False,
        limits=httpx.Limits(
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=IDLE_CONNECTIONS_MAX,
            keepalive_expiry=IDLE_S,
        ),
        # The pool is shared: a cookie of one answer must not go out with another's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
    atexit.register(client.close)
    return client


def _context(tls: Tls) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - only where needed

    import httpx  # noqa: PLC0415 - as above

    try:
        if tls.insecure_skip_verify:
            context = httpx.create_ssl_context(verify=False)
        elif tls.ca_file:
            context = ssl.create_default_context(cafile=tls.ca_file)
        else:
            context = httpx.create_ssl_context()
        if tls.cert_file:
            # An encrypted key would make OpenSSL ask on the terminal: refuse it instead.
            context.load_cert_chain(tls.cert_file, tls.key_file or None, password=_no_password)
    except (OSError, ValueError) as error:
        files = ", ".join(name for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        raise Rejected(
            f"the TLS files cannot be used ({files or 'the system authorities'}): {error}",
            hint="each must be a readable PEM file, the key without a password",
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the private key is encrypted")


def _modified(tls: Tls) -> tuple[int, ...]:
    times = []
    for name in (tls.ca_file, tls.cert_file, tls.key_file):
        try:
            times.append(Path(name).stat().st_mtime_ns if name else 0)
        except OSError:
            times.append(-1)
    return tuple(times)
