"""One request as it goes on the wire: what the task says, plus what names the attempt.

libcurl adds `Host`, `Content-Length` and `Accept: */*` by itself and nothing else: its own `Expect` and
`Content-Type` are taken out here.
"""

from dataclasses import dataclass

from taskrunner.domain import signature, task_fields
from taskrunner.domain.attempt_headers import RESERVED, identity
from taskrunner.domain.retry import may_repeat
from taskrunner.domain.task import Task, Validators
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.tls_profile import check_profile, profile_for
from taskrunner.domain.url import Url
from taskrunner.domain.validators import METHODS, condition
from taskrunner.handlers.http.codings import ACCEPT_ENCODING
from taskrunner.handlers.http.settings import FetchSettings

# RFC 9110 8.6: these say how long their content is even when there is none.
_CONTENT_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
# RFC 9110 13.1: of the conditions those that a 304 answers.
_NEWER = frozenset({"if-none-match", "if-modified-since"})


@dataclass(slots=True, kw_only=True)
class Request:
    """Never changed once made; not frozen, since that costs time with each one (see `domain.value`).

    `lines` are header lines in libcurl's spelling, see `header_line`; `content` None means no body.

    Every method but HEAD takes a body (RFC 9110 9.3.2 gives one to HEAD no meaning: it is not sent).

    `tls` names the TLS profile. `stranger` are the lines that go along to another origin: who we are, and
    nothing of the task. `once`: it must not be sent a second time, since the target may act on each.
    """

    method: str
    url: Url
    lines: list[str]
    stranger: list[str]
    tls: str | None = None
    content: bytes | None = None
    once: bool = False
    validators: Validators | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether it asks only for what is newer: of the URL alone that the validators are of."""
        return self.validators is not None and self.validators.url == self.url.text

    @property
    def asks_for_newer(self) -> bool:
        """Whether a 304 is an answer to it: by our condition, or by one among the task's own headers."""
        if self.method not in METHODS:
            return False
        return self.is_conditional or any(line_name(line) in _NEWER for line in self.lines)

    @property
    def sent_lines(self) -> list[str]:
        """All lines, with the condition if there is one."""
        if self.validators is None or not self.is_conditional:
            return self.lines
        return [*self.lines, *(header_line(*each) for each in condition(self.validators).items())]


def first_request(task: Task, number: int, policy: FetchSettings) -> Request:
    """The request of attempt `number`. Raises `ValueError` when the task breaks a rule of admission.

    A task is checked when it is handed in, but an envelope can reach us without having been.
    """
    url = task_fields.check_url(task.url, policy.limits)
    method = task_fields.check_method(task.method)
    if task.headers:
        task_fields.check_sound_headers(task.headers)
    task_fields.check_id(task.id)
    stranger = ["Expect:", ACCEPT_ENCODING, f"User-Agent: {policy.user_agent}"]
    ours = [*stranger, *(f"{name}: {value}" for name, value in identity(task, number).items())]
    content = _content(task, method)
    return Request(
        method=method,
        url=url,
        lines=_lines(task, ours, content),
        stranger=stranger,
        tls=_profile(task, url, policy.limits),
        content=content,
        once=not may_repeat(task),
        validators=task.validators if method in METHODS else None,
    )


def _profile(task: Task, url: Url, limits: TaskLimits) -> str | None:
    if task.tls is None:
        return profile_for(url, limits.tls_profiles)
    check_profile(task.tls, url, limits.tls_profiles)
    return task.tls


def sign(request: Request, task: Task, policy: FetchSettings, timestamp: int) -> None:
    """Add the signature of this moment to what is signed. Raises `KeyError` for an unknown secret."""
    if task.signed_by is not None:
        signed = signature.sign(policy.secrets[task.signed_by], task.id, timestamp, request.content or b"")
        request.lines = [
            *request.lines,
            f"webhook-timestamp: {timestamp}",
            f"webhook-signature: {signed}",
        ]


def header_line(name: str, value: str) -> str:
    """As libcurl takes it: `Name;` is how it sends an empty value, `Name:` would drop the header."""
    return f"{name}: {value}" if value else f"{name};"


def line_name(line: str) -> str:
    """The lower-case header name of a line."""
    return line.partition(":")[0].removesuffix(";").lower()


def _content(task: Task, method: str) -> bytes | None:
    content = task.content
    if content is None:
        return b"" if method in _CONTENT_EXPECTED else None
    return None if method == "HEAD" else content


def _lines(task: Task, ours: list[str], content: bytes | None) -> list[str]:
    lines = _merged(task, ours) if task.headers else ours
    if content is None or any(line_name(line) == "content-type" for line in lines):
        return lines
    return [*lines, "Content-Type:"]


def _merged(task: Task, ours: list[str]) -> list[str]:
    given = {name.lower() for name in task.headers} - RESERVED
    lines = [line for line in ours if line_name(line) not in given]
    for name, value in task.headers.items():
        if name.lower() not in RESERVED:
            lines.append(header_line(name, value))
    return lines
