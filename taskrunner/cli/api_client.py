"""The client of taskrunner's HTTP API that `produce --api` uses."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from taskrunner.domain.errors import (
    ApiUnavailable,
    ApiUnfit,
    CallerError,
    FieldError,
    StateConflict,
    TaskInvalid,
)
from taskrunner.domain.masking import mask_user_info, masked_url
from taskrunner.version import __version__

# Seconds to connect, and to wait for a response.
_TIMEOUT = (10.0, 60.0)
# What to do after 401 and 403, by the code of the problem.
_NEXT_STEPS = {
    "key_missing": "give one with --key or $TASKRUNNER_API_KEY; who runs the API makes it with "
    "`taskrunner keys create NAME --scope submit --scope read`",
    "key_unknown": "give a good one with --key or $TASKRUNNER_API_KEY; `taskrunner keys list`, where the API "
    "runs, shows all",
    "scope_missing": "give a key that has it; submitting needs submit, and --wait needs read",
}
# The fields of a response that this client reads, each with its types.
Fields = Mapping[str, type | tuple[type, ...]]
# A task of an executor may have no URL.
_URL = (str, type(None))
_TASK: Fields = {"id": str, "url": _URL, "status": str}
# An API key that may not read gets no more than this of a task that holds a dedup key.
_HOLDER: Fields = {"id": str}
_ACCEPTED: Fields = {"id": str, "url": _URL, "created": bool, "published": bool}
_FORESEEN: Fields = {"created": bool, "task": dict, "attempts": list, "target": (dict, type(None))}
_ERROR: Fields = {"field": str, "message": str}
# Of an item of a batch: a new task, or the one that holds its dedup key.
ACCEPTED_STATUSES = (200, 202)
_DRY_RUN = "?dry_run=true"


class _RequestTooLarge(CallerError):
    """The API answered 413."""


class ApiClient:
    """An API by its base URL, with a key unless the API does without or the URL has it as password.

    Raises `ApiUnavailable`, `ApiUnfit` for an answer that is not ours, `TaskInvalid`, or `CallerError` for
    other refusals.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._masked_url = mask_user_info(self._url)
        self._session = requests.Session()
        # A proxy of the environment cannot reach our loopback.
        self._session.trust_env = not _is_loopback(self._url)
        # Otherwise requests would send the credentials that ~/.netrc has for the host.
        user, password = get_auth_from_url(self._url)
        if user or password:
            if key is not None:
                raise CallerError("--api: the URL has credentials, and there is a key; leave out one of them")
            self._session.auth = HTTPBasicAuth(user, password)
        else:
            self._session.auth = _as_it_is
        if key is not None:
            self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.headers["User-Agent"] = f"taskrunner/{__version__}"

    def submit(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """The `id`, `url`, `created` and `published` of the accepted task."""
        response = self._post("/tasks", fields, idempotency_key)
        task = self._resource(response, _HOLDER if "Deduplicated" in response.headers else _TASK)
        created = not {"Idempotency-Replayed", "Deduplicated"} & response.headers.keys()
        published = created and task["status"] == "queued"
        url = task.get("url", masked_url(fields.get("url")))
        return {"id": task["id"], "url": url, "created": created, "published": published}

    def dry_run(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """What a submit would do, as the API answers it."""
        return self._resource(self._post(f"/tasks{_DRY_RUN}", fields, idempotency_key), _FORESEEN)

    def _post(self, path: str, fields: Mapping[str, Any], idempotency_key: str | None) -> requests.Response:
        given = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._request("POST", path, json.dumps(fields).encode(), "application/json", headers=given)

    def submit_lines(self, lines: list[bytes], *, dry_run: bool = False) -> list[dict[str, Any]]:
        """The result of each line, in order."""
        path = f"/tasks/batch{_DRY_RUN if dry_run else ''}"
        try:
            response = self._request("POST", path, b"\n".join(lines), "application/x-ndjson")
        except _RequestTooLarge as exc:
            if len(lines) == 1:
                return [{"status": 413, "errors": [{"field": "", "message": str(exc)}]}]
            half = len(lines) // 2
            parts = lines[:half], lines[half:]
            return [item for part in parts for item in self.submit_lines(part, dry_run=dry_run)]
        items: list[dict[str, Any]] = self._resource(response, {"items": list})["items"]
        if len(items) != len(lines) or not all(_is_item(item) for item in items):
            raise self._unfit(response)
        return items

    def task(self, task_id: str) -> dict[str, Any] | None:
        response = self._request("GET", f"/tasks/{quote(task_id)}", allow_unknown=True)
        return None if response.status_code == 404 else self._resource(response, _TASK)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        media_type: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        allow_unknown: bool = False,
    ) -> requests.Response:
        headers = {**(headers or {}), **({} if media_type is None else {"Content-Type": media_type})}
        try:
            response = self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as exc:
            raise CallerError(f"--api: {self._masked_url} is not the URL of an API") from exc
        except requests.RequestException as exc:
            raise ApiUnavailable(f"cannot reach the API at {self._masked_url}: {_reason(exc)}") from exc
        content = _json_object(response)
        if response.ok and response.status_code < 300:
            return response
        unknown = (
            response.status_code == 404 and content is not None and content.get("code") == "task_unknown"
        )
        if allow_unknown and unknown:
            return response
        raise self._refusal(response, content or {})

    def _resource(self, response: requests.Response, fields: Fields) -> dict[str, Any]:
        """The JSON object of an answer. Raises `ApiUnfit` unless it has these fields of these types."""
        content = _json_object(response)
        if content is None or not _has(content, fields):
            raise self._unfit(response)
        return content

    def _unfit(self, response: requests.Response) -> ApiUnfit:
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0][:40]
        moved = "; it redirects, so use the URL that it leads to" if response.is_redirect else ""
        return ApiUnfit(
            f"--api: {self._masked_url} is not a taskrunner API: it answered {response.status_code} with "
            f"{kind}{moved}; give the URL of `serve`, `all` or `dev`"
        )

    def _refusal(self, response: requests.Response, problem: dict[str, Any]) -> Exception:
        status = response.status_code
        if status >= 500:
            # A proxy in front of the API may answer while the API is unreachable.
            detail = problem.get("detail", "not a response of taskrunner")
            return ApiUnavailable(f"the API at {self._masked_url} answered {status}: {detail}")
        if not _has(problem, {"code": str, "detail": str}):
            return self._unfit(response)
        if status == 413:
            return _RequestTooLarge(problem["detail"])
        if status == 409 or problem["code"] == "idempotency_key_reused":
            # As the same command without an API ends.
            return StateConflict(f"the API at {self._masked_url} answered {status}: {problem['detail']}")
        errors = problem.get("errors")
        if errors and _are_errors(errors):
            return TaskInvalid([FieldError(**error) for error in errors])
        step = _NEXT_STEPS.get(problem["code"])
        detail = problem["detail"] if step is None else f"{problem['detail']}; {step}"
        return CallerError(f"the API at {self._masked_url} answered {status}: {detail}")


def _has(content: Any, fields: Fields) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(name), kind) for name, kind in fields.items()
    )


def _are_errors(errors: Any) -> bool:
    return isinstance(errors, list) and all(
        _has(error, _ERROR) and error.keys() - {"rule"} == _ERROR.keys() for error in errors
    )


def _is_item(item: Any) -> bool:
    """Whether this is the result of one line: an accepted task, or its errors."""
    if not _has(item, {"status": int}):
        return False
    return _has(item, _ACCEPTED) if item["status"] in ACCEPTED_STATUSES else _are_errors(item.get("errors"))


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(exc: requests.RequestException) -> str:
    """The system's own message, which is below the layers of the driver."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return type(exc).__name__


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
