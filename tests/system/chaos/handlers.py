"""The Python handler of the campaign. It tells the target of each attempt, as requests do."""

import http.client
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from taskrunner.sdk import Retry, Task, handler
from tests.system.chaos.executors import HANDLED

_ANSWERS_WITHIN = 4.0


@handler(HANDLED, timeout=_ANSWERS_WITHIN)
def visit(task: Task[Any]) -> str:
    """Fetches its URL."""
    url = urlsplit(task.data["url"])
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_ANSWERS_WITHIN)
    headers = {"Taskrunner-Task-Id": task.id, "Taskrunner-Attempt": str(task.attempt)}
    try:
        connection.request("GET", f"{url.path}?{url.query}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise Retry(f"the target answered {answer.status}")
    return body.decode()
