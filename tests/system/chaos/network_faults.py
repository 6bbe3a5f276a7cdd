"""Faults of the network between us and the servers, made by proxies."""

from tests.system.chaos.fault import Fault
from tests.system.chaos.stage import Stage, pause
from tests.tools.proxy import Mode


def replies_lost(stage: Stage) -> None:
    """Scripts ran, and their answers were lost."""
    for _ in range(6):
        stage.links["redis"].drop_replies(3)
        pause(0.5)


def half_open(stage: Stage) -> None:
    stage.links["rabbitmq"].set_mode(Mode.HALF_OPEN)
    pause(6)
    stage.links["rabbitmq"].heal()


def store_half_open(stage: Stage) -> None:
    stage.links["redis"].set_mode(Mode.HALF_OPEN)
    pause(6)
    stage.links["redis"].heal()


def down_for(seconds: float) -> "Outage":
    return Outage(seconds)


class Outage:
    """Both links drop every byte for a time, without an error."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, stage: Stage) -> None:
        for link in stage.links.values():
            link.set_mode(Mode.BLACK_HOLE)
        pause(self._seconds)
        for link in stage.links.values():
            link.heal()


def slow(stage: Stage) -> None:
    for link in stage.links.values():
        link.slow(delay=0.2, jitter=0.1)
    pause(6)
    for link in stage.links.values():
        link.heal()


def sliced(stage: Stage) -> None:
    for link in stage.links.values():
        link.slow(delay=0, slice_bytes=7)
    pause(4)
    for link in stage.links.values():
        link.heal()


def cut_in_a_frame(stage: Stage) -> None:
    for _ in range(8):
        stage.links["rabbitmq"].cut_after(stage.random.randint(1, 20_000))
        pause(0.7)


def cut_in_a_command(stage: Stage) -> None:
    for _ in range(8):
        stage.links["redis"].cut_after(stage.random.randint(1, 20_000))
        pause(0.7)


def resets(stage: Stage) -> None:
    for link in stage.links.values():
        link.set_mode(Mode.RESET)
    pause(4)
    for link in stage.links.values():
        link.heal()


FAULTS = (
    Fault(id="F47", inject=replies_lost, profile="linked"),
    Fault(id="F51", inject=half_open, profile="linked"),
    Fault(id="F51b", inject=store_half_open, profile="linked"),
    Fault(id="F52", inject=down_for(5), profile="linked"),
    Fault(id="F52b", inject=down_for(15), profile="linked"),
    Fault(id="F52c", inject=resets, profile="linked"),
    Fault(id="F54", inject=slow, profile="linked"),
    Fault(id="F54b", inject=sliced, profile="linked"),
    Fault(id="F55", inject=cut_in_a_frame, profile="linked"),
    Fault(id="F55b", inject=cut_in_a_command, profile="linked"),
)
