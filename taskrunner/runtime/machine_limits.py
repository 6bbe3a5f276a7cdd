"""MachineLimits: the processors, threads and open files that the machine, or a container, allows."""

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from taskrunner.domain.value import Value

_CGROUPS = Path("/sys/fs/cgroup")


class MachineLimits(Value):
    """None for what is not limited.

    `processors` are those that this process may run on; a control group pays for `quota` of them (cpu.max).
    `threads` are those of the control group or of the user in all, `files` is the hard limit of open files.
    """

    processors: int
    quota: float | None = None
    threads: int | None = None
    files: int | None = None

    @classmethod
    def read(cls) -> "MachineLimits":
        """The limits in force."""
        groups = list(_own_groups())
        quotas = [quota for each in groups if (quota := _quota(each)) is not None]
        threads = [most for each in groups if (most := _number(each / "pids.max")) is not None]
        # The superuser is exempt from it, see setrlimit(2).
        if (
            os.geteuid()
            and (of_user := resource.getrlimit(resource.RLIMIT_NPROC)[0]) != resource.RLIM_INFINITY
        ):
            threads.append(of_user)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return cls(
            processors=len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1,
            quota=min(quotas, default=None),
            threads=min(threads, default=None),
            files=None if files == resource.RLIM_INFINITY else files,
        )

    @property
    def usable_processors(self) -> int:
        """How many processors' worth of time there is."""
        return self.processors if self.quota is None else min(self.processors, max(1, math.ceil(self.quota)))


def _own_groups() -> Iterator[Path]:
    """Our control group and those above it, each of which limits us (cgroups(7), version 2)."""
    own = _own_path()
    if own is not None:
        group = _CGROUPS / own
        yield from (each for each in (group, *group.parents) if each.is_relative_to(_CGROUPS))


def _own_path() -> str | None:
    """None where there are no control groups."""
    lines = _text(Path("/proc/self/cgroup")).splitlines()
    return next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)


def _quota(group: Path) -> float | None:
    words = _text(group / "cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    """Empty where there is no such limit."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
