"""The service TaskExecutorManager, its methods for executors: they do what the routes of the HTTP API do."""

from collections.abc import Mapping
from typing import Any

from taskrunner.api.http.parameters import EXECUTOR_NAME
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.views.executor import ExecutorView
from taskrunner.domain.errors import ExecutorInvalid, FieldError
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.grpc.call import Call
from taskrunner.grpc.messages import JSON_SUFFIX, fields_of, json_document, view_message
from taskrunner.producer.change_check import Check, allow
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.v1 import task_executor_pb2 as pb


class ExecutorMethods:
    """See `Boundary.handlers`."""

    def __init__(self, executors: ExecutorAdmin, options: ApiSettings) -> None:
        self._executors = executors
        self._options = options

    async def create_executor(self, request: pb.CreateExecutorRequest, call: Call) -> pb.Executor:
        fields = fields_of(request.executor, ExecutorInvalid)
        draft = ExecutorDraft.from_json(json_document(fields, ExecutorInvalid), self._executors.limits)
        if draft.name is None:
            raise ExecutorInvalid([FieldError(field="name", message="is required")])
        call.change.target = draft.name
        return self._message(await self._executors.create(draft.name, draft))

    async def get_executor(self, request: pb.GetExecutorRequest, _: Call) -> pb.Executor:
        return self._message(await self._executors.get(EXECUTOR_NAME.read(request.name)))

    async def list_executors(self, _request: object, _: Call) -> pb.ListExecutorsResponse:
        found = await self._executors.list()
        return pb.ListExecutorsResponse(executors=[self._message(each) for each in found])

    async def update_executor(self, request: pb.UpdateExecutorRequest, call: Call) -> pb.Executor:
        name = call.change.target = EXECUTOR_NAME.read(request.executor.name)
        patch = json_document(_changes(request), ExecutorInvalid)
        return self._message(await self._executors.patch(name, patch, check=_check(request)))

    async def delete_executor(
        self, request: pb.DeleteExecutorRequest, call: Call
    ) -> pb.DeleteExecutorResponse:
        name = call.change.target = EXECUTOR_NAME.read(request.name)
        await self._executors.delete(name, cancel=request.cancel, check=_check(request))
        return pb.DeleteExecutorResponse()

    def _message(self, executor: Executor) -> pb.Executor:
        return view_message(pb.Executor, ExecutorView.of(executor, self._options.masking))


def _changes(request: pb.UpdateExecutorRequest) -> Mapping[str, Any]:
    """The merge patch: fields in the mask are changed, and those of them without a value are removed."""
    given = fields_of(request.executor, ExecutorInvalid)
    del given["name"]
    named = request.update_mask.paths
    known = [field.name for field in pb.NewExecutor.DESCRIPTOR.fields if field.name != "name"]
    for path in named:
        if path not in known:
            message = f"has no field {shown(path)}{did_you_mean(path, known)}"
            raise ExecutorInvalid([FieldError(field="update_mask", message=message)])
    if not named:
        return given
    return {path if path in given else path.removesuffix(JSON_SUFFIX): given.get(path) for path in named}


def _check(request: pb.UpdateExecutorRequest | pb.DeleteExecutorRequest) -> Check[Executor]:
    """The condition of the request, to be checked on the version that a change replaces."""
    if not request.HasField("version"):
        return allow

    def check(known: Executor | None) -> None:
        if known is not None and known.version != request.version:
            detail = f"executor {known.name!r} has the version {known.version}, not {request.version}"
            raise refuse(412, "precondition_failed", detail)

    return check
