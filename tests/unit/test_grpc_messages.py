"""The messages of gRPC have what the HTTP API has, under the same names."""

from enum import StrEnum

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from msgspec.structs import fields as fields_of_struct
from pydantic import BaseModel

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.http.problems import Problem
from taskrunner.api.views import task as views
from taskrunner.api.views.executor import ExecutorView
from taskrunner.domain.errors import FieldError
from taskrunner.domain.executors.executor import DeadLetterPolicy, ExecutorKind, ManagedBy
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.executors.remote_lease import LeaseState, UpdateAnswer
from taskrunner.domain.retries.retry_draft import RetryDraft
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.retries.rules import RulesUnreadable
from taskrunner.domain.tasks.callback_draft import CallbackDraft
from taskrunner.domain.tasks.dedup import DedupMode
from taskrunner.domain.tasks.dedup_draft import DedupDraft
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Priority, Redirects
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_filter import CONDITIONS
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.grpc.errors import code_of, refusal_message, status_of
from taskrunner.grpc.messages import enum_text
from taskrunner.grpc.methods import METHODS
from taskrunner.v1 import task_executor_pb2 as pb

FILE = pb.DESCRIPTOR
# What gRPC has in another form: bytes, JSON as text, or nothing.
DRAFT_FORMS = {"body_base64": "body"}
VIEW_ONLY = {"body_url"}


def names(message: str) -> set[str]:
    """The fields of a message."""
    kind: Descriptor = FILE.message_types_by_name[message]
    return {field.name for field in kind.fields}


@pytest.mark.parametrize(
    ("message", "draft"),
    [
        ("NewTask", TaskDraft),
        ("NewExecutor", ExecutorDraft),
        ("RetryDraft", RetryDraft),
        ("Dedup", DedupDraft),
        ("Callback", CallbackDraft),
    ],
)
def test_a_message_has_the_fields_of_a_draft(message: str, draft: type[BaseModel]) -> None:
    """A field that a client may give over HTTP, it may give over gRPC."""
    given = {field.alias or name for name, field in draft.model_fields.items()}
    expected = {DRAFT_FORMS.get(name, name) for name in given}
    spelt = {f"{name}_json" for name in names(message) if f"{name}_json" in names(message)}
    assert {name.removesuffix("_json") for name in names(message) - spelt} == expected


@pytest.mark.parametrize(
    ("message", "view"),
    [
        ("Task", views.TaskView),
        ("Attempt", views.AttemptView),
        ("Result", views.ResultView),
        ("Timings", views.TimingsView),
        ("Hop", views.HopView),
        ("Progress", views.ProgressView),
        ("Header", views.HeaderView),
        ("Callback", views.CallbackView),
        ("Validators", views.ValidatorsView),
        ("Dedup", views.DedupView),
        ("RetryPolicy", RetryPolicy),
        ("Executor", ExecutorView),
        ("DeadLetterPolicy", DeadLetterPolicy),
    ],
)
def test_a_message_has_the_members_of_a_view(message: str, view: type) -> None:
    """What HTTP shows, gRPC shows."""
    shown = {field.name for field in fields_of_struct(view)} - VIEW_ONLY
    assert {name.removesuffix("_json") for name in names(message)} == shown


def test_the_conditions_are_those_of_lists() -> None:
    """Labels are a map here."""
    conditions = names("ListTasksRequest") - {"page_size", "page_token", "oldest_first"}
    assert conditions == ({*CONDITIONS} - {"label"}) | {"labels"}


@pytest.mark.parametrize(
    "kind",
    [
        Status,
        Priority,
        Strategy,
        DedupMode,
        Redirects,
        RulesUnreadable,
        WriteConcern,
        ExecutorKind,
        ManagedBy,
        LeaseState,
        UpdateAnswer,
    ],
)
def test_an_enum_has_the_values_of_ours(kind: type[StrEnum]) -> None:
    """And 0 for one that is not given."""
    enum: EnumDescriptor = FILE.enum_types_by_name[kind.__name__]
    assert [enum_text(enum, value.number) for value in enum.values] == ["unspecified", *kind]
    assert enum.values[0].number == 0


def test_each_method_stands_for_a_route() -> None:
    """Which has its scopes. A method without one cannot be served."""
    served = {method.full_name for service in FILE.services_by_name.values() for method in service.methods}
    assert served == {*METHODS}
    assert {*METHODS.values()} <= {*ROUTES}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422, 429, 503])
def test_a_refusal_has_a_code_of_its_own(status: int) -> None:
    """None of them is INTERNAL or UNKNOWN, which are faults of ours."""
    code = code_of(Problem(status=status, code="x", detail="y"))
    assert code.name not in {"INTERNAL", "UNKNOWN", "OK"}


def test_a_status_fits_into_the_metadata_of_clients() -> None:
    """However long the texts are: 8 KiB, in which the details are in base64."""
    errors = [FieldError(field="é" * 200, message="é" * 5000) for _ in range(20)]
    problem = Problem(status=422, code="task_invalid", detail="é" * 9000, errors=errors)
    status = status_of(problem, "r" * 128)
    assert status.ByteSize() * 4 / 3 + len(status.message.encode()) * 3 < 8192


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([], "no"),
        ([("worker", "is required")], "worker: is required"),
        ([("", "snoozed needs a delay")], "snoozed needs a delay"),
        ([("a", "is bad"), ("b", "is worse")], "a: is bad (the details have more findings)"),
    ],
)
def test_the_message_has_the_first_finding(errors: list[tuple[str, str]], message: str) -> None:
    """A client that prints no details shows what is to be corrected."""
    found = [FieldError(field=field, message=text) for field, text in errors]
    problem = Problem(status=422, code="lease_invalid", detail="no", errors=found)
    assert status_of(problem, "r").message == refusal_message(problem).message == message
