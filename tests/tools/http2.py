"""The server's side of one HTTP/2 connection, for behaviours on a `Peer` whose TLS has agreed on h2."""

import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from tests.tools.hostile import Peer

# RFC 9113 section 6.
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4
# RFC 9113 section 7.
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, HTTP_1_1_REQUIRED = 0, 1, 2, 7, 13

# ":status: 200" from HPACK's static table (RFC 7541, appendix A).
STATUS_200 = b"\x88"


def literal(name: bytes, value: bytes) -> bytes:
    """A header field in HPACK, without Huffman codes and without indexing (RFC 7541 6.2.2)."""
    return b"\x00" + _length(name) + name + _length(value) + value


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, claimed: int | None = None) -> bytes:
    """A frame; `claimed` is the length that it states, if it lies."""
    size = len(payload) if claimed is None else claimed
    return struct.pack("!I", size)[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


class Http2Peer:
    """Speaks correct HTTP/2 by `h2`, and any other bytes by `send`."""

    def __init__(self, peer: Peer, *, settings: dict[int, int] | None = None) -> None:
        self.peer = peer
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        if settings:
            self._h2.update_settings(settings)
        self.flush()
        self._heads: dict[int, tuple[tuple[str, str], ...]] = {}
        self._bodies: dict[int, bytes] = {}
        self._ended: list[int] = []

    def read(self) -> int:
        """Read until a request is complete, and return its stream. Raises `ConnectionError`."""
        while not self._ended:
            self._more()
        stream = self._ended.pop(0)
        self._note(stream)
        return stream

    def read_head(self) -> int:
        """Read until the head of a request is complete, and return its stream."""
        while not self._heads:
            self._more()
        return max(self._heads)

    def answer(
        self, stream: int, body: bytes = b"", *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Send a complete answer, whose body must fit into the client's window."""
        self.head(stream, status=status, headers=(("content-length", str(len(body))), *headers))
        self._h2.send_data(stream, body, end_stream=True)
        self.flush()

    def head(self, stream: int, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._h2.send_headers(stream, [(":status", str(status)), *headers])
        self.flush()

    def data(self, stream: int, body: bytes, *, end: bool = False) -> None:
        """Send in pieces, as the client's window allows."""
        while body:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room == 0:
                self._more()
                continue
            self._h2.send_data(stream, body[:room])
            body = body[room:]
            self.flush()
        if end:
            self._h2.end_stream(stream)
            self.flush()

    def trailers(self, stream: int, headers: list[tuple[str, str]]) -> None:
        self._h2.send_headers(stream, headers, end_stream=True)
        self.flush()

    def send(self, data: bytes) -> None:
        """Send bytes past `h2`."""
        self.peer.send(data)

    def flush(self) -> None:
        if data := self._h2.data_to_send():
            self.peer.send(data)

    def wait_for_close(self) -> None:
        """Keep to the protocol until the client is gone."""
        while True:
            self._more()

    def _more(self) -> None:
        data = self.peer.sock.recv(65_536)
        if not data:
            raise ConnectionError("the client is gone")
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as exc:
            raise ConnectionError("the client does not speak HTTP/2") from exc
        for event in events:
            self._take(event)
        self.flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._heads[event.stream_id] = tuple((str(name), str(value)) for name, value in event.headers)
            self._bodies[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            self._bodies[event.stream_id] += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self._ended.append(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise ConnectionError("the client says goodbye")

    def _note(self, stream: int) -> None:
        fields = dict(self._heads[stream])
        self.peer.note(
            method=fields[":method"],
            target=fields[":path"],
            headers=tuple(each for each in self._heads[stream] if not each[0].startswith(":")),
            body=self._bodies[stream],
        )


def _length(text: bytes) -> bytes:
    """RFC 7541 5.1, with a prefix of seven bits."""
    if len(text) < 127:
        return bytes((len(text),))
    rest, encoded = len(text) - 127, b"\x7f"
    while rest >= 128:
        encoded += bytes((rest % 128 + 128,))
        rest //= 128
    return encoded + bytes((rest,))
