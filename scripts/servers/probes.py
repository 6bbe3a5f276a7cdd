"""Is a server ready? Each probe speaks the real protocol up to a login, since an open port proves nothing.

A probe returns False for anything but success, and is repeated until a deadline.
"""

import socket
import struct

_TIMEOUT = 2.0
_AMQP_METHOD, _AMQP_END = 1, b"\xce"


def amqp_is_ready(port: int) -> bool:
    """Log in as guest and open the vhost `/` (AMQP 0-9-1, section 2.2.4), then close."""
    try:
        with _connect(port) as stream:
            stream.sendall(b"AMQP\x00\x00\x09\x01")
            _read_method(stream, (10, 10))
            login = b"\x00guest\x00guest"
            _send_method(
                stream,
                (10, 11),
                struct.pack(">I", 0) + b"\x05PLAIN" + struct.pack(">I", len(login)) + login + b"\x05en_US",
            )
            channels, frame_size, _heartbeat = struct.unpack(">HIH", _read_method(stream, (10, 30)))
            _send_method(stream, (10, 31), struct.pack(">HIH", channels, frame_size, 0))
            _send_method(stream, (10, 40), b"\x01/\x00\x00")
            _read_method(stream, (10, 41))
            _send_method(stream, (10, 50), struct.pack(">HBHH", 200, 0, 0, 0))
            _read_method(stream, (10, 51))
    except (OSError, ValueError, struct.error):
        return False
    return True


def redis_is_ready(port: int) -> bool:
    """PING is answered by PONG (and by -LOADING while the append-only file is read)."""
    try:
        with _connect(port) as stream:
            stream.sendall(b"*1\r\n$4\r\nPING\r\n")
            return _read(stream, 7) == b"+PONG\r\n"
    except (OSError, ValueError):
        return False


def postgres_is_ready(port: int) -> bool:
    """A start-up message of protocol 3.0 is answered by AuthenticationOk."""
    body = struct.pack(">I", 196_608) + b"user\x00postgres\x00database\x00postgres\x00\x00"
    try:
        with _connect(port) as stream:
            stream.sendall(struct.pack(">I", len(body) + 4) + body)
            accepted = _read(stream, 9) == b"R" + struct.pack(">II", 8, 0)
            stream.sendall(b"X" + struct.pack(">I", 4))
            return accepted
    except (OSError, ValueError):
        return False


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)


def _read(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = stream.recv(size - len(data))
        if not chunk:
            raise ValueError("the server closed the connection")
        data += chunk
    return data


def _send_method(stream: socket.socket, method: tuple[int, int], arguments: bytes) -> None:
    payload = struct.pack(">HH", *method) + arguments
    stream.sendall(struct.pack(">BHI", _AMQP_METHOD, 0, len(payload)) + payload + _AMQP_END)


def _read_method(stream: socket.socket, expected: tuple[int, int]) -> bytes:
    kind, _channel, size = struct.unpack(">BHI", _read(stream, 7))
    payload = _read(stream, size + 1)[:-1]
    if kind != _AMQP_METHOD or struct.unpack(">HH", payload[:4]) != expected:
        raise ValueError(f"expected method {expected}")
    return payload[4:]
