"""Errors of calls: the problems of the HTTP API as google.rpc.Status.

https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto names the status of HTTP for each
code. `ErrorInfo.reason` is the problem's `code` in capitals, `BadRequest` has its `errors`, and `RetryInfo`
its Retry-After.
"""

from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from taskrunner.api.http.problems import Problem
from taskrunner.domain.errors import FieldError
from taskrunner.v1 import task_executor_pb2 as pb

# What clients read it from: https://grpc.io/docs/guides/error/
DETAILS = "grpc-status-details-bin"
_DOMAIN = "taskrunner"
# gRPC clients refuse more than 8 KiB of metadata, in which the details are in base64.
_MOST_DETAILS_BYTES = 4096
_MOST_MESSAGE_CHARS = 500
_CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    412: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
# Where the gRPC code is more exact than the HTTP status.
_CODES_OF_PROBLEMS: Mapping[str, grpc.StatusCode] = {
    "idempotency_key_reused": grpc.StatusCode.ALREADY_EXISTS,
    "dedup_key_held": grpc.StatusCode.ALREADY_EXISTS,
}


def code_of(problem: Problem) -> grpc.StatusCode:
    """The status code of a call that ends with `problem`."""
    return _CODES_OF_PROBLEMS.get(problem.code) or _CODES.get(problem.status, grpc.StatusCode.INTERNAL)


def reason_of(code: str) -> str:
    """`code` of a problem as google.rpc.ErrorInfo spells reasons."""
    return code.upper()


def status_of(problem: Problem, request_id: str) -> Status:
    """`problem` with as many of its errors as a client can read."""
    number: int = code_of(problem).value[0]
    info = ErrorInfo(reason=reason_of(problem.code), domain=_DOMAIN, metadata={"request_id": request_id})
    if problem.instance is not None:
        info.metadata["instance"] = problem.instance
    status = Status(code=number, message=_cut(_message(problem)))
    status.details.append(_packed(info))
    if retry_after := problem.headers.get("Retry-After"):
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(int(retry_after))
        status.details.append(_packed(retry))
    if problem.errors:
        room = _MOST_DETAILS_BYTES - status.ByteSize()
        status.details.append(_packed(bad_request(problem.errors, room)))
    return status


def refusal_message(problem: Problem) -> pb.Refusal:
    """`problem` as the refusal of one task of a stream."""
    number: int = code_of(problem).value[0]
    refusal = pb.Refusal(code=number, reason=reason_of(problem.code), message=_message(problem))
    for error in problem.errors:
        refusal.field_violations.add(field=error.field, description=error.message)
    return refusal


def bad_request(errors: Sequence[FieldError], room_bytes: int) -> BadRequest:
    """As many of the errors, by field, as fit."""
    found = BadRequest()
    for error in errors:
        room_bytes -= len(error.field.encode()) + len(error.message.encode()) + 16
        if room_bytes < 0:
            break
        found.field_violations.add(field=error.field, description=_cut(error.message))
    return found


def _message(problem: Problem) -> str:
    """The first finding, since most programs log only the message."""
    if not problem.errors:
        return problem.detail
    first = problem.errors[0]
    text = f"{first.field}: {first.message}" if first.field else first.message
    return text if len(problem.errors) == 1 else f"{text} (the details have more findings)"


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_MESSAGE_CHARS else f"{text[: _MOST_MESSAGE_CHARS - 1]}…"
