"""An attempt as a command for a shell, by which somebody can do it again by hand."""

import shlex

from taskrunner.api.masking import MASK
from taskrunner.api.resources import Resource

_BODY_FILE = "BODY"


def command(detail: Resource, *, timeout: float) -> str:
    """The curl command of an attempt by `attempt_detail`; what is not shown is told in comments."""
    request = detail["request"]
    words = ["--path-as-is", "--globoff", "--compressed", f"--max-time {timeout:g}"]
    if request["method"] == "HEAD":
        words.append("--head")
    elif request["method"] != "GET":
        words.append(f"--request {request['method']}")
    words += [f"--header {shlex.quote(_header(each))}" for each in request["headers"]]
    if request["body_size"]:
        words.append(f"--data-binary @{_BODY_FILE}")
    lines = [*_comments(detail), " \\\n  ".join([f"curl {shlex.quote(request['url'])}", *words])]
    return "\n".join(lines) + "\n"


def _header(header: Resource) -> str:
    """`Name;` is how curl sends an empty value."""
    return f"{header['name']}: {header['value']}" if header["value"] else f"{header['name']};"


def _comments(detail: Resource) -> list[str]:
    request = detail["request"]
    comments = [f"# task {detail['task_id']}, attempt {detail['number']}"]
    if MASK in request["url"] or any(each["value"] == MASK for each in request["headers"]):
        comments.append(f"# Put in what is masked ({MASK}) yourself.")
    if request["body_size"]:
        comments.append(
            f"# The body of {request['body_size']} bytes is not shown: it goes into the file {_BODY_FILE}."
        )
    if request["signed_by"] is not None:
        comments.append("# Without webhook-timestamp and webhook-signature, which are made for each attempt.")
    return comments
