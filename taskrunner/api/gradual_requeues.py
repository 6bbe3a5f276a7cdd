"""A gradual_requeue by requests: each is one wave, and the cursor carries what the next one has to know."""

from taskrunner.api.resources import Resource, bulk_result_resource
from taskrunner.producer.bulk_actions import BulkResult
from taskrunner.producer.gradual_requeue import RequeueSample, RequeueWave

# In no id, and in no cursor of a list.
_PARTS, _IDS = "|", "~"


def requeued_resource(wave: RequeueWave, cursor: str | None, *, dry_run: bool) -> Resource:
    """What one wave came to; `cursor` is where it was to begin."""
    sample = wave.sample
    result = wave.result or BulkResult(matched=0, ids=(), cursor=read_place(cursor)[0])
    following = result.cursor
    if following is not None and wave.result is not None and sample != RequeueSample():
        following = _PARTS.join((following, str(sample.ended), str(sample.failed), _IDS.join(sample.watched)))
    return {
        **bulk_result_resource("requeue", result, dry_run=dry_run),
        "next_cursor": following,
        "stopped": wave.result is None,
        "ended": sample.ended,
        "failed": sample.failed,
    }


def read_place(cursor: str | None) -> tuple[str | None, RequeueSample]:
    """Where in the list to go on, and the sample. Raises `ValueError`."""
    if cursor is None or _PARTS not in cursor:
        return cursor, RequeueSample()
    place, ended, failed, watched = cursor.split(_PARTS)
    ids = tuple(watched.split(_IDS)) if watched else ()
    return place, RequeueSample(watched=ids, ended=int(ended), failed=int(failed))
