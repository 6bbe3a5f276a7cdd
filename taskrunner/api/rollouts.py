"""A rollout by requests: each is one wave, and the cursor carries what the next one has to know."""

from taskrunner.api.resources import Resource, swept_resource
from taskrunner.producer.rollout import Sample, Wave
from taskrunner.producer.sweep import Swept

# In no id, and in no cursor of a list.
_PARTS, _IDS = "|", "~"


def requeued_resource(wave: Wave, cursor: str | None, *, dry_run: bool) -> Resource:
    """What one wave came to; `cursor` is where it was to begin."""
    sample = wave.sample
    swept = wave.swept or Swept(matched=0, ids=(), cursor=read_place(cursor)[0])
    following = swept.cursor
    if following is not None and wave.swept is not None and sample != Sample():
        following = _PARTS.join((following, str(sample.ended), str(sample.failed), _IDS.join(sample.watched)))
    return {
        **swept_resource("requeue", swept, dry_run=dry_run),
        "next_cursor": following,
        "stopped": wave.swept is None,
        "ended": sample.ended,
        "failed": sample.failed,
    }


def read_place(cursor: str | None) -> tuple[str | None, Sample]:
    """Where in the list to go on, and the sample. Raises `ValueError`."""
    if cursor is None or _PARTS not in cursor:
        return cursor, Sample()
    place, ended, failed, watched = cursor.split(_PARTS)
    ids = tuple(watched.split(_IDS)) if watched else ()
    return place, Sample(watched=ids, ended=int(ended), failed=int(failed))
