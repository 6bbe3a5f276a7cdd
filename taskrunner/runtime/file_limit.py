"""The limit of open files of this process, as far as connections of clients need them."""

import resource

# For the store, the broker, targets, libraries and files, beside the clients.
_OTHERS = 124


def affordable_connections(wanted: int) -> int:
    """`wanted`, or as many as there can be files open beside all others.

    The usual soft limit of 1,024 is for programs that use select(); others may raise it up to the hard limit,
    see getrlimit(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    # Under a limit that is too low for both, the others get most of it: tasks need them.
    return min(wanted, max(soft - _OTHERS, soft // 4, 1))
