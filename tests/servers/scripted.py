"""An HTTP server on loopback that answers by script, faults included."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs

#: No test waits longer for a byte.
_SOCKET_TIMEOUT_S = 5.0


class Fault(StrEnum):
    """What goes wrong with an answer."""

    NONE = "none"
    HANG = "hang"  # reads the request, never answers
    DROP = "drop"  # reads the request, closes
    CUT = "cut"  # promises the whole body, sends half, closes
    DRIP_HEADERS = "drip-headers"  # one header line after the other, without end
    DRIP_BODY = "drip-body"  # a byte of the body after the other


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str = b""
    content_type: str = "application/json"
    fault: Fault = Fault.NONE

    def content(self):
        return self.body.encode() if isinstance(self.body, str) else self.body

    def head(self):
        lines = [f"HTTP/1.1 {self.status} Scripted", f"Content-Length: {len(self.content())}"]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that arrived; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self):
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


class ScriptedServer:
    """Answers request by request; the last answer is repeated. A function may answer too."""

    def __init__(self, *answers, tls: ssl.SSLContext | None = None):
        self.answers = list(answers)
        self.seen: list[Seen] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self):
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._port}"

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_SOCKET_TIMEOUT_S)

    def _start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_SOCKET_TIMEOUT_S)
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection, connection.makefile("rb") as stream:
                while (seen := _read_request(stream)) is not None:
                    self.seen.append(seen)
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    answer = answer(seen) if callable(answer) else answer
                    if not self._answer(connection, answer):
                        return

    def _answer(self, connection, answer):
        """True if the connection may be used again."""
        content = answer.content()
        match answer.fault:
            case Fault.NONE:
                connection.sendall(f"{answer.head()}\r\n\r\n".encode() + content)
                return True
            case Fault.HANG:
                self._stopped.wait(_SOCKET_TIMEOUT_S)
            case Fault.DROP:
                pass
            case Fault.CUT:
                half = content[: len(content) // 2]
                connection.sendall(f"{answer.head()}\r\n\r\n".encode() + half)
            case Fault.DRIP_HEADERS:
                connection.sendall(f"{answer.head()}\r\n".encode())
                while not self._stopped.wait(0.02):
                    connection.sendall(b"X-Drip: 1\r\n")
            case Fault.DRIP_BODY:
                connection.sendall(f"{answer.head()}\r\n\r\n".encode())
                for byte in content:
                    connection.sendall(bytes([byte]))
                    if self._stopped.wait(0.02):
                        break
        return False


def free_port():
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _read_request(stream):
    line = stream.readline().decode()
    if not line.strip():
        return None
    method, path, _ = line.split()
    headers = {}
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Seen(method=method, path=path, headers=headers, body=body)
