"""An attempt as a shell command that repeats it by hand."""

import shlex

from taskrunner.api.views.attempt import AttemptDetail, RequestView
from taskrunner.api.views.task import HeaderView
from taskrunner.domain.errors import AttemptUnknown
from taskrunner.domain.masking import MASK

_BODY_FILE = "BODY"


def command(attempt: AttemptDetail, *, timeout: float) -> str:
    """The curl command of an attempt.

    Comments name what is not shown. Raises `AttemptUnknown` for an attempt that is not a request.
    """
    request = attempt.request
    if request is None:
        raise AttemptUnknown(f"task {attempt.task_id} is not an HTTP request, so there is no curl command")
    words = ["--path-as-is", "--globoff", "--compressed", f"--max-time {timeout:g}"]
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != "GET":
        words.append(f"--request {request.method}")
    words += [f"--header {shlex.quote(_header(each))}" for each in request.headers]
    if request.body_size:
        words.append(f"--data-binary @{_BODY_FILE}")
    lines = [*_comments(attempt, request), " \\\n  ".join([f"curl {shlex.quote(request.url)}", *words])]
    return "\n".join(lines) + "\n"


def _header(header: HeaderView) -> str:
    """`Name;` is how curl sends an empty value."""
    return f"{header.name}: {header.value}" if header.value else f"{header.name};"


def _comments(attempt: AttemptDetail, request: RequestView) -> list[str]:
    comments = [f"# task {attempt.task_id}, attempt {attempt.number}"]
    if MASK in request.url or any(MASK in each.value for each in request.headers):
        comments.append(f"# Replace what is masked ({MASK}) with the real values.")
    if request.body_size:
        comments.append(
            f"# The body of {request.body_size} bytes is not shown: put it into the file {_BODY_FILE}."
        )
    if request.signed_by is not None:
        comments.append("# Without webhook-timestamp and webhook-signature, which are made for each attempt.")
    if request.auth is not None:
        comments.append(
            f"# Without the headers of the credential {request.auth}, which are made for each attempt."
        )
    return comments
