"""A bench run: the servers and contenders it has, how much to do, and what it has found out."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.backends import Backends
from harness.contender import Contender
from harness.drain import Drain, drain
from harness.figures import Figure
from harness.ours import Taskrunner
from harness.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many tasks, requests or lines each scenario takes."""

    drain: int = 20_000
    post: int = 20_000
    bulk: int = 100_000
    shallow: int = 10_000
    deep: int = 1_000_000
    fair_slow: int = 10_000
    fair_fast: int = 1_000
    slots: tuple[int, ...] = (500, 1_000)
    repeat: int = 3


QUICK = Sizes(
    drain=4_000,
    post=4_000,
    bulk=20_000,
    shallow=10_000,
    deep=100_000,
    fair_slow=2_000,
    slots=(500,),
    repeat=1,
)


@dataclass(slots=True, kw_only=True)
class Bench:
    """What the scenarios share, and where they put what they find."""

    backends: Backends
    target: Target
    ours: Taskrunner
    contenders: Sequence[Contender]
    on_sql: Sequence[Contender]
    sizes: Sizes
    folder: Path
    figures: list[Figure] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def drain(self, contender: Contender, *, delay: float = 0.0, tasks: int) -> Drain:
        """One drain, kept and told; a task that it lost becomes an error of the whole run."""
        tell(f"{contender.name}: {tasks:,} tasks, target answers after {delay * 1000:g} ms")
        result = drain(contender, self.target, self.backends, delay=delay, tasks=tasks)
        self.drains.append(result)
        tell(f"  {result.rate:,.0f} tasks/s, {result.seconds:.2f} s, {result.peak_rss_bytes >> 20} MiB")
        if not result.is_complete:
            self.lose(
                f"{contender.name}: of {tasks} tasks {result.fetched} were fetched and {result.stored} stored"
            )
        return result

    def lose(self, text: str) -> None:
        """Note that something accepted is gone, or is there twice."""
        self.losses.append(text)
        tell(f"  LOST: {text}")

    def as_json(self) -> Mapping[str, object]:
        return {
            "sizes": asdict(self.sizes),
            "figures": [figure.as_json() for figure in self.figures],
            "drains": [asdict(each) | {"rate": each.rate} for each in self.drains],
            "losses": self.losses,
        }


def tell(text: str) -> None:
    """Progress, on stderr; stdout is for the table."""
    print(text, file=sys.stderr, flush=True)
