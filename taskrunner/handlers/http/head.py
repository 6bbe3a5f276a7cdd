"""The head of an answer: its status and headers, from the lines that libcurl hands out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Head:
    """The last head among the lines; `interim` counts the 1xx answers before it.

    `headers` are in the order in which they came, values as Latin-1 text: what a server sends here is
    bytes in no particular encoding, and this loses none of them.
    """

    status: int = 0
    interim: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Every value of the header `name`, which is given in lower case."""
        return [value for known, value in self.headers if known.lower() == name]

    def value(self, name: str) -> str | None:
        """The first value of the header `name`, which is given in lower case."""
        for known, value in self.headers:
            if known.lower() == name:
                return value
        return None

    @property
    def redirects(self) -> bool:
        """Whether the answer sends us elsewhere."""
        return self.status in REDIRECTS and self.value("location") is not None


def read_head(lines: Iterable[bytes]) -> Head:
    """The last head in `lines`, an empty one (status 0) if there is none. Trailers are passed over."""
    head = Head()
    is_open = False
    for line in lines:
        if is_open:
            is_open = _read_line(head, line)
        elif line.startswith(b"HTTP/"):
            head = Head(status=_status(line), interim=head.interim + (head.status != 0))
            is_open = True
    return head


def _read_line(head: Head, line: bytes) -> bool:
    """Take one line of an open head; False when it was the empty one that ends it."""
    text = line.decode("latin-1")
    name, colon, value = text.partition(":")
    if colon and text[0] not in " \t":
        head.headers.append((name.strip(), value.strip()))
        return True
    if not text.strip("\r\n"):
        return False
    if head.headers:
        # RFC 9112 5.2: a folded line continues the value before it.
        name, before = head.headers[-1]
        head.headers[-1] = (name, f"{before} {text.strip()}")
    return True


def _status(line: bytes) -> int:
    code = line.split(None, 2)[1:2]
    return int(code[0]) if code and code[0].isdigit() and len(code[0]) == 3 else 0
