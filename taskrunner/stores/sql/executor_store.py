"""Executors on SQL."""

from collections.abc import Sequence

from taskrunner.domain.executors.executor import Executor
from taskrunner.stores.executor_store import ExecutorStore, decode_executor
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.tables import executors

_KEPT = NamedValues(executors)


class SqlExecutorStore(SqlPart, ExecutorStore):
    async def save_executor(self, executor: Executor, *, expected: Executor | None) -> bool:
        return await _KEPT.save(self._connection, executor, expected)

    async def executors(self) -> Sequence[Executor]:
        return await _KEPT.all(self._connection, decode_executor)

    async def delete_executor(self, expected: Executor) -> bool:
        return await _KEPT.delete(self._connection, expected)
