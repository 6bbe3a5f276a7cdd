"""The refusal of a task that the store has not created: another one stands in its way."""

from taskrunner.domain.errors import DedupKeyHeld, KeyReused, StateConflict
from taskrunner.domain.tasks.dedup import DedupMode
from taskrunner.domain.tasks.fingerprint import is_same_request
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.submitter import KEY_MARK
from taskrunner.stores.base import AcceptAnswer, Accepted, NewTask

# Between the key of a batch and the number of the item: no client can send it.
BATCH_KEY_MARK = "\n"


def refusal_of(new: NewTask, accepted: Accepted, known: Record | None) -> StateConflict | None:
    """None if it was accepted, now or before. `known` is the record of the accepted id, if there is one."""
    key = new.idempotency_key
    if accepted.answer is AcceptAnswer.CREATED:
        return None
    if accepted.answer is AcceptAnswer.CONFLICT:
        if key is None:
            return StateConflict(f"the id {accepted.id} was that of a task that is deleted; use a new id")
        shown = key.rpartition(KEY_MARK)[2].partition(BATCH_KEY_MARK)[0]
        return KeyReused(
            f"Idempotency-Key {shown!r} was used for another request (task {accepted.id}); use a new key"
        )
    if accepted.answer is AcceptAnswer.HELD and (held := _held(new, accepted.id)):
        return held
    if known is None and accepted.answer is AcceptAnswer.HELD:
        return StateConflict(f"task {accepted.id}, which held the dedup key, is gone; submit again")
    if known is None:
        return StateConflict.of_deleted(accepted.id)
    if accepted.id == new.id and not is_same_request(new.task, known.task):
        return StateConflict(f"the id {new.id} is taken by a task with another content; use a new id")
    return None


def _held(new: NewTask, holder: str) -> DedupKeyHeld | None:
    dedup = new.task.dedup
    if dedup is None or dedup.mode is DedupMode.RETURN:
        return None
    # Also for a task that is to replace the holder, if one after another took the key meanwhile.
    return DedupKeyHeld.of(holder, dedup.key)
