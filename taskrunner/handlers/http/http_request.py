"""One request as it is sent: the fields of the task, plus the headers that identify the attempt.

libcurl adds `Host`, `Content-Length` and `Accept: */*`. Its `Expect` and `Content-Type` are suppressed here.
"""

from dataclasses import dataclass

from taskrunner.domain.retries.retry import may_repeat
from taskrunner.domain.targets.tls_profile import check_profile, profile_for
from taskrunner.domain.targets.url import Url
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.attempt_headers import RESERVED, identity
from taskrunner.domain.tasks.cache_validators import METHODS, condition
from taskrunner.domain.tasks.submitter import check_stored_id
from taskrunner.domain.tasks.task import Redirects, Task, Validators
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.http.codings import ACCEPT_ENCODING
from taskrunner.handlers.http.settings import FetchSettings

# RFC 9110 8.6: these send Content-Length even without content.
_CONTENT_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
# RFC 9110 13.1: the conditions that a 304 answers.
_ANSWERED_BY_304 = frozenset({"if-none-match", "if-modified-since"})


@dataclass(slots=True, kw_only=True)
class HttpRequest:
    """Not changed once made and authorized; not frozen, since that costs time with each (see `domain.value`).

    `header_lines` are in libcurl's spelling, see `header_line`. `content` None means no body. Every method
    but HEAD takes one (a body of HEAD has no meaning by RFC 9110 9.3.2 and is not sent).

    `tls` names the TLS profile. `cross_origin_lines` are the header lines for a redirect to another origin:
    they name us, and hold nothing of the task. `send_once`: the request must not be sent twice, since the
    target may act on each. `redirects` and `redirects_left` say which redirects are followed, and how many.
    """

    method: str
    url: Url
    header_lines: list[str]
    cross_origin_lines: list[str]
    tls: str | None = None
    content: bytes | None = None
    send_once: bool = False
    validators: Validators | None = None
    redirects: Redirects = Redirects.FOLLOW
    redirects_left: int = 1

    @property
    def size_bytes(self) -> int:
        """Of the URL, the header lines and the content."""
        lines = sum(map(len, self.all_header_lines))
        return len(self.url.text) + lines + len(self.content or b"")

    @property
    def is_conditional(self) -> bool:
        """Whether the validators make it conditional, which they do for their own URL only."""
        return self.validators is not None and self.validators.url == self.url.text

    @property
    def can_get_304(self) -> bool:
        """Whether a 304 may answer it: because of our condition, or of one among the task's own headers."""
        if self.method not in METHODS:
            return False
        return self.is_conditional or any(line_name(line) in _ANSWERED_BY_304 for line in self.header_lines)

    @property
    def all_header_lines(self) -> list[str]:
        """The header lines with the condition, if there is one."""
        if self.validators is None or not self.is_conditional:
            return self.header_lines
        return [*self.header_lines, *(header_line(*each) for each in condition(self.validators).items())]


def first_request(task: Task, number: int, settings: FetchSettings) -> HttpRequest:
    """The first request of attempt `number`. Raises `ValueError` when the task breaks a rule of intake.

    Intake has checked every task that it accepted, but an AMQP client can publish one without intake.
    """
    if task.url is None:
        raise ValueError(f"a task of the executor {task.executor} has no URL")
    url = task_fields.check_url(task.url, settings.limits)
    method = task_fields.check_method(task.method)
    if task.headers:
        task_fields.check_sound_headers(task.headers)
    check_stored_id(task.id)
    cross_origin_lines = ["Expect:", ACCEPT_ENCODING, f"User-Agent: {settings.user_agent}"]
    ours = [*cross_origin_lines, *(f"{name}: {value}" for name, value in identity(task, number).items())]
    content = _content(task, method)
    return HttpRequest(
        method=method,
        url=url,
        header_lines=_header_lines(task, ours, content),
        cross_origin_lines=cross_origin_lines,
        tls=_profile(task, url, settings.limits),
        content=content,
        send_once=not may_repeat(task),
        validators=task.validators if method in METHODS else None,
        redirects=task.redirects if settings.max_redirects else Redirects.NONE,
        redirects_left=settings.max_redirects,
    )


def _profile(task: Task, url: Url, limits: TaskLimits) -> str | None:
    if task.tls is None:
        return profile_for(url, limits.tls_profiles)
    check_profile(task.tls, url, limits.tls_profiles)
    return task.tls


def header_line(name: str, value: str) -> str:
    """In libcurl's spelling: it sends an empty value for `Name;` and drops the header for `Name:`."""
    return f"{name}: {value}" if value else f"{name};"


def line_name(line: str) -> str:
    """The header name of a line, in lower case."""
    return line.partition(":")[0].removesuffix(";").lower()


def _content(task: Task, method: str) -> bytes | None:
    content = task.content
    if content is None:
        return b"" if method in _CONTENT_EXPECTED else None
    # RFC 9110 9.3.1: servers refuse a GET with content. The data of an executor then only fills its URL.
    is_data = task.executor is not None and method == "GET"
    return None if method == "HEAD" or is_data else content


def _header_lines(task: Task, ours: list[str], content: bytes | None) -> list[str]:
    lines = _merged(task, ours) if task.headers else ours
    if content is None or any(line_name(line) == "content-type" for line in lines):
        return lines
    return [*lines, "Content-Type:"]


def _merged(task: Task, ours: list[str]) -> list[str]:
    given = {name.lower() for name in task.headers} - RESERVED
    lines = [line for line in ours if line_name(line) not in given]
    if "range" in given and "accept-encoding" not in given:
        # RFC 9110 14.2: a range is counted in coded bytes, and a part of a coded body cannot be decoded.
        lines[lines.index(ACCEPT_ENCODING)] = "Accept-Encoding: identity"
    for name, value in task.headers.items():
        if name.lower() not in RESERVED:
            lines.append(header_line(name, value))
    return lines
