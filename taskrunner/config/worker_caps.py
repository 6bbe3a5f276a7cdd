"""What keeps a consumer from having as many workers at work as its settings say, and how many it can have."""

from collections.abc import Iterator

from taskrunner.config.config import Config
from taskrunner.runtime.file_limit import OTHER_FILES
from taskrunner.runtime.machine_limits import MachineLimits

# The connections that a worker keeps, and the one that it opens.
FILES_PER_WORKER = 5
# Of each process, beside the workers: the event loop, its helpers, and the libraries' threads.
_OTHER_THREADS = 16


def worker_caps(config: Config, machine: MachineLimits) -> list[str]:
    """A sentence for each cap, with what it leaves and how to lift it."""
    return [
        *_held(config),
        *_files(config, machine),
        *_threads(config, machine),
        *_processes(config, machine),
    ]


def files_needed(config: Config, machine: MachineLimits) -> int:
    """Open files of a worker process in which all workers are at work."""
    return -(-config.workers.max_workers // _process_count(config, machine)) * FILES_PER_WORKER + OTHER_FILES


def _held(config: Config) -> Iterator[str]:
    held, wanted = config.rabbit.prefetch, config.workers.max_workers
    if 0 < held < wanted:
        yield (
            f"Rabbit.prefetch ({held}) is less than Workers.max_workers ({wanted}): at most {held} tasks of "
            "a queue run at a time; leave it out, so that it follows the workers"
        )


def _files(config: Config, machine: MachineLimits) -> Iterator[str]:
    if machine.files is not None and files_needed(config, machine) > machine.files:
        enough = max(1, (machine.files - OTHER_FILES) // FILES_PER_WORKER) * _process_count(config, machine)
        yield (
            f"the limit of open files ({machine.files}) is enough for about {enough} of {_workers(config)}; "
            "raise the hard limit (ulimit -Hn, LimitNOFILE of systemd, --ulimit nofile of Docker)"
        )


def _threads(config: Config, machine: MachineLimits) -> Iterator[str]:
    others = _OTHER_THREADS * (_process_count(config, machine) + 1)
    if machine.threads is not None and config.workers.max_workers + others > machine.threads:
        enough = max(1, machine.threads - others)
        yield (
            f"the limit of threads ({machine.threads}) is enough for about {enough} of {_workers(config)}; "
            "raise it (pids.max of the container, TasksMax of systemd, ulimit -u)"
        )


def _processes(config: Config, machine: MachineLimits) -> Iterator[str]:
    wanted, has = config.workers.process_count(machine.processors), _process_count(config, machine)
    if has < wanted:
        yield (
            f"a quota of {machine.quota:g} of {machine.processors} processors (cpu.max): the workers have "
            f"{has} process and not {wanted}; Workers.processes sets another number"
        )


def _process_count(config: Config, machine: MachineLimits) -> int:
    return config.workers.process_count(machine.usable_processors)


def _workers(config: Config) -> str:
    return f"{config.workers.max_workers} workers (Workers.max_workers)"
