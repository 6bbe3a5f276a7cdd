"""The executor source: the executors that tasks may name, with the compiled schemas of their data."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from taskrunner.domain.errors import (
    ExecutorDisabled,
    ExecutorNotKnown,
    FieldError,
    StoreUnavailable,
    TaskInvalid,
)
from taskrunner.domain.executors.data_schema import DataSchema
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.value import replace


async def _nowhere() -> bool:
    """There is nothing to read where no watch runs."""
    return False


class ExecutorSource:
    """The executors in force, set by a watch and asked for by readers of drafts.

    `known` is None before the first read. `look_again` reads them out of turn, and returns whether it did.
    """

    __slots__ = ("_schemas", "known", "look_again")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, known: Iterable[Executor] | None = None) -> None:
        self.known: Mapping[str, Executor] | None = None
        self.look_again: Callable[[], Awaitable[bool]] = _nowhere
        # By their texts. Each is compiled for the first task that needs it.
        self._schemas: dict[str, DataSchema] = {}
        if known is not None:
            self.set(known)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExecutorSource) and self.known == other.known

    def set(self, executors: Iterable[Executor]) -> None:
        """These are in force from now on."""
        self.known = {each.name: each for each in executors}
        needed = {each.schema for each in self.known.values()}
        self._schemas = {text: schema for text, schema in self._schemas.items() if text in needed}

    def find(self, name: str) -> Executor | None:
        """The executor of this name. Raises `StoreUnavailable` until they are known."""
        if self.known is None:
            raise StoreUnavailable("the executors are in the store, which has not answered yet")
        return self.known.get(name)

    def for_new_task(self, name: str) -> Executor:
        """Raises `ExecutorNotKnown`, `ExecutorDisabled`, and `StoreUnavailable`."""
        executor = self.find(name)
        if executor is None:
            hint = did_you_mean(name, self.known or ())
            message = f"there is no executor {shown(name)}{hint or '; create it first'}"
            raise ExecutorNotKnown([FieldError(field="executor", message=message)])
        if not executor.enabled:
            raise ExecutorDisabled.of(name)
        return executor

    def as_enabled(self, name: str) -> "ExecutorSource":
        """Only this executor, enabled. Raises as `for_new_task` does."""
        executor = self.find(name)
        source = ExecutorSource([] if executor is None else [replace(executor, enabled=True)])
        source._schemas = self._schemas
        return source

    def check_data(self, executor: Executor, data: str | None) -> None:
        """Raises `TaskInvalid` with what the executor's schema finds in `data`, a text of JSON."""
        if executor.schema is None:
            return
        schema = self._schemas.get(executor.schema)
        if schema is None:
            schema = self._schemas[executor.schema] = _compiled(executor)
        if findings := schema.findings(data):
            raise TaskInvalid(findings)


def _compiled(executor: Executor) -> DataSchema:
    """Raises `TaskInvalid` for a schema that only an older version accepted."""
    try:
        return DataSchema(executor.schema or "true")
    except ValueError as exc:
        message = f"the schema of {executor.name} cannot be used any more: it {exc}; change it"
        raise TaskInvalid([FieldError(field="executor", message=message)]) from exc
