"""What the two engines have in common: they run operations in transactions."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.statements import Statements
from taskrunner.stores.store_connection import Fitness

Answer = TypeVar("Answer")
Operation = Callable[[Session], Answer]


class Engine(ABC):
    """Raises the drivers' errors; the link above translates them."""

    @abstractmethod
    async def write(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction and commit that. It may run more than once, after a rollback."""

    @abstractmethod
    async def read(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction that only reads."""

    @abstractmethod
    async def ping(self) -> None:
        """One round trip."""

    @abstractmethod
    async def check_replicas(self) -> None:
        """See `Store.check_replicas`."""

    @abstractmethod
    async def replicate(self) -> None:
        """See `Store.replicate`."""

    @abstractmethod
    async def inspect(self) -> Fitness:
        """Check the schema and that writes work, on fresh connections. Raises `StoreUnfit`."""

    @abstractmethod
    async def upgrade(self) -> None:
        """Make the schema, or bring it up to date. Others that do so at the same time are waited for."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""


def perform(session: Session, statements: Statements, operation: Operation[Answer]) -> Answer:
    """Run an operation, and write what it did to the counts."""
    answer = operation(session)
    write_counts(session, statements)
    return answer


def write_counts(session: Session, statements: Statements) -> None:
    if changes := session.changes():
        session.run(statements.insert_counts, changes)


def probe(session: Session, statements: Statements) -> None:
    """A write that changes nothing: a line of 0 in the ledger of counts."""
    session.run(statements.insert_counts, [{"status": "queued", "delta": 0}])
