"""A store that cannot digest one task: each batch that holds it fails, for no reason that anybody expects."""

from typing import Any, cast

from taskrunner.stores.base import Store


class Poisoned:
    """Passes every call on, but those of `method` with the task, until it is cured."""

    def __init__(self, store: Store, method: str, task_id: str) -> None:
        self._store = store
        self._method = method
        self._task_id = task_id
        self._cured = False

    def cure(self) -> None:
        self._cured = True

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._store, name)
        if name != self._method:
            return target

        async def call(batch: Any, **kwargs: Any) -> Any:
            if not self._cured and any(item.id == self._task_id for item in batch):
                raise RuntimeError(f"{name} failed in a test")
            return await target(batch, **kwargs)

        return call


def poisoned(store: Store, method: str, task_id: str) -> tuple[Store, Poisoned]:
    """The same object twice: as the store it stands for, and as what can be cured."""
    poison = Poisoned(store, method, task_id)
    return cast(Store, poison), poison
