"""The limit of open files of this process."""

import resource

# For the store, the broker, targets, libraries and files, beside what is counted.
OTHER_FILES = 124


def raise_file_limit(needed: int) -> int:
    """Allow so many open files, if the hard limit does; returns the soft limit, which is never lowered.

    The usual soft limit of 1,024 is for programs that use select(); others may raise it up to the hard limit,
    see getrlimit(2). Processes that are started later inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def affordable_connections(wanted: int) -> int:
    """`wanted`, or as many as there can be files open beside all others."""
    soft = raise_file_limit(wanted + OTHER_FILES)
    if soft == resource.RLIM_INFINITY:
        return wanted
    # Under a limit that is too low for both, the others get most of it: tasks need them.
    return min(wanted, max(soft - OTHER_FILES, soft // 4, 1))
