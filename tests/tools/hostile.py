"""A server that misbehaves on purpose: one listener per behaviour, and a ledger of its requests."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_MAX_REQUEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One received request. Header names are as sent; `connection` counts from 1."""

    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, None if it was not sent. A header sent twice fails the test."""
        values = [value for known, value in self.headers if known.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None


@dataclass(slots=True)
class Ledger:
    """What the server has seen so far, over all behaviours."""

    requests: list[Seen] = field(default_factory=list)
    connections: int = 0


class Peer:
    """The client as a behaviour sees it: the raw connection, with a few ways to be slow."""

    def __init__(self, hostile: "Hostile", connection: int, sock: socket.socket) -> None:
        self.sock = sock
        self._hostile = hostile
        self._connection = connection
        self._received = b""

    @property
    def ledger(self) -> Ledger:
        return self._hostile.ledger

    def read(self) -> Seen:
        """Read one request and note it in the ledger. Raises `ConnectionError` when there is none."""
        head = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = tuple(
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])
        )
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        body = self._exactly(lengths[0] if lengths else 0)
        return self.note(method=method, target=target, headers=headers, body=body)

    def note(self, *, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Seen:
        """Add a request to the ledger."""
        seen = Seen(connection=self._connection, method=method, target=target, headers=headers, body=body)
        self._hostile.ledger.requests.append(seen)
        return seen

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, interval: float) -> None:
        """Send one byte per `interval` seconds, until the server is stopped or the client is gone."""
        for byte in data:
            self.send(bytes((byte,)))
            self.rest(interval)

    def rest(self, seconds: float) -> None:
        """Wait until the time is over or the server stops."""
        if self._hostile.stopping.wait(seconds):
            raise ConnectionAbortedError

    def hold(self) -> None:
        """Keep the connection open and do nothing with it until the server is stopped."""
        self._hostile.stopping.wait()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def wait_for_close(self) -> None:
        """Return once the client has closed its side."""
        while self.sock.recv(65_536):
            pass

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        head, _, self._received = self._received.partition(end)
        return head

    def _exactly(self, size_bytes: int) -> bytes:
        while len(self._received) < size_bytes:
            self._more()
        body, self._received = self._received[:size_bytes], self._received[size_bytes:]
        return body

    def _more(self) -> None:
        data = self.sock.recv(65_536)
        if not data or len(self._received) > _MAX_REQUEST_BYTES:
            raise ConnectionError("the client is gone")
        self._received += data


Behaviour = Callable[[Peer], None]


class Hostile:
    """Runs behaviours on ports of their own, a thread per connection. Use as a context manager."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.ledger = Ledger()
        self.stopping = threading.Event()
        self._host = host
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> "Hostile":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for sock in [*self._listeners, *self._open]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def url(self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str | None = None) -> str:
        """Serve `behaviour` on a new port; `tls` wraps each connection before the behaviour sees it."""
        listener = socket.create_server((self._host, 0), backlog=256)
        self._listeners.append(listener)
        self._spawn(self._accept, listener, behaviour, tls)
        scheme = "https" if tls is not None else "http"
        return f"{scheme}://{host or self._host}:{listener.getsockname()[1]}/"

    def _accept(self, listener: socket.socket, behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            # As servers do: what was sent must not wait in the kernel, where a reset would discard it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ledger.connections += 1
            self._spawn(self._serve, sock, behaviour, tls, self.ledger.connections)

    def _serve(
        self, sock: socket.socket, behaviour: Behaviour, tls: ssl.SSLContext | None, number: int
    ) -> None:
        with self._kept(sock), suppress(OSError, ValueError):
            if tls is not None:
                sock.settimeout(10)
                sock = tls.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            with self._kept(sock):
                behaviour(Peer(self, number, sock))

    @contextmanager
    def _kept(self, sock: socket.socket) -> Iterator[None]:
        self._open.add(sock)
        try:
            yield
        finally:
            self._open.discard(sock)
            sock.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
