"""The id of a new task."""

import uuid_utils


def new_task_id() -> str:
    """A UUIDv7 (RFC 9562): ids sort by the time at which they were made."""
    return str(uuid_utils.uuid7())
