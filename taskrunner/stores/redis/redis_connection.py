"""The connection to Redis, and what uses it: the parts of the store run scripts.

A command is sent again when a connection broke before its answer.
"""

import asyncio
import itertools
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import MovedError, NoPermissionError, NoScriptError, ResponseError

from taskrunner.domain.events import Events
from taskrunner.runtime.backoff import Backoff
from taskrunner.stores.connection import Fault, Fitness, StoreConnection, cut
from taskrunner.stores.redis.connections import Connections
from taskrunner.stores.redis.faults import fault, is_forbidden
from taskrunner.stores.redis.fields import Argument
from taskrunner.stores.redis.fitness import inspect
from taskrunner.stores.redis.scripts import Scripts
from taskrunner.stores.redis.settings import RedisSettings

Item = TypeVar("Item")

SERVICE = "redis"
# The lines of probe.lua.
_PROBED = re.compile(r"^call\('(\w+)', probe(.*)\)$", re.MULTILINE)
_ARGUMENT = re.compile(r"'([^']*)'")
_RESEND_FIRST, _RESEND_CAP = 0.01, 0.2
# A script blocks the whole server: 500 items take about 5 ms.
BATCH_ITEMS = 500
# What one command may carry, and one answer bring, unless a single item is larger.
BATCH_BYTES = 8 * 1024 * 1024
# How many entries of records that are gone one call looks at beyond its page.
LIST_SLACK = 200


class RedisStoreConnection(StoreConnection):
    """See `StoreConnection`. `probe` is a command that succeeds only where all other commands would."""

    def __init__(
        self,
        connections: Connections,
        settings: RedisSettings,
        server: str,
        events: Events,
        *,
        probe: tuple[str | int, ...],
    ) -> None:
        super().__init__(
            events,
            service=SERVICE,
            title="Redis at",
            address=server,
            dial_timeout=settings.dial_timeout,
            timeout=settings.timeout,
        )
        self._connections = connections
        self._max_retries = settings.max_retries
        self._probe = probe

    async def call(self, *args: Any) -> Any:
        """The answer to one command. Raises `StoreUnavailable`, and the driver's `NoScriptError`."""
        return (await self.converse(args))[0]

    async def call_if_allowed(self, *args: Any) -> Any:
        """The answer to a command that only helps; None where an ACL forbids it to our user."""
        return await self._call(lambda: self._send_if_allowed(args))

    async def converse(self, *commands: Sequence[Any]) -> list[Any]:
        """The answers to several commands that need the same connection; raises as `call` does."""
        return await self._call(lambda: self._send_patiently(commands))

    async def ping(self) -> None:
        await self.call("PING")

    async def _send_if_allowed(self, command: Sequence[Any]) -> Any:
        try:
            return (await self._send_patiently([command]))[0]
        except NoPermissionError:
            return None

    async def _send_patiently(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands again when their connection breaks: all of them are safe to repeat."""
        pause = Backoff(_RESEND_FIRST, _RESEND_CAP)
        for _ in range(self._max_retries):
            try:
                return await self._connections.converse(commands)
            except (DriverConnectionError, OSError) as exc:
                if isinstance(exc, DriverConnectionError) and type(exc) is not DriverConnectionError:
                    raise  # the driver derives refusals, such as a wrong password, from broken connections
                await asyncio.sleep(pause.next())
        return await self._connections.converse(commands)

    async def _inspect(self) -> Fitness:
        # A connection that hangs or leads to a former primary must not be used again.
        await self._connections.drop_idle()
        try:
            return await self._examine()
        except MovedError as exc:
            # All our keys are in one slot, so that one node has them all. The next attempt asks that node.
            self._connections.follow((exc.host, exc.port))
            raise
        except (DriverConnectionError, OSError):
            # That node is gone, too: the configured one knows where the slot went.
            self._connections.follow(None)
            raise

    async def _examine(self) -> Fitness:
        fitness = await inspect(self._connections.send, self._address)
        try:
            await self._connections.send(*self._probe)
        except ResponseError as exc:
            if is_forbidden(exc):
                await self._find_forbidden()
            raise
        return fitness

    async def _find_forbidden(self) -> None:
        """Of a command within a script, the server does not say which one its ACL forbids: ask for each."""
        _, source, _, prefix = self._probe
        for name, arguments in _PROBED.findall(str(source)):
            await self._connections.send(name, f"{prefix}probe", *_ARGUMENT.findall(arguments))

    def _fault(self, exc: Exception) -> Fault | None:
        return fault(exc, self._address)

    async def _close(self) -> None:
        await self._connections.close()


class RedisPart:
    """A part of the store: each method is one script over a batch. All keys begin with `prefix`."""

    def __init__(self, connection: RedisStoreConnection, scripts: Scripts, prefix: str) -> None:
        self._connection = connection
        self._scripts = scripts
        self._prefix = prefix
        self._token_prefix = secrets.token_hex(4)
        self._token_numbers = itertools.count()

    async def run(self, name: str, *args: Argument) -> Any:
        """The answer of the script `lua/NAME.lua`."""
        script = self._scripts[name]
        try:
            return await self._connection.call("EVALSHA", script.sha, 1, self._prefix, *args)
        except NoScriptError:
            # The server restarted, or somebody flushed its scripts: this also loads the script again.
            return await self._connection.call("EVAL", script.source, 1, self._prefix, *args)

    async def run_batch(
        self,
        name: str,
        items: Sequence[Item],
        arguments: Callable[[Sequence[Item]], Iterable[Argument]],
        size: Callable[[Item], int] = lambda item: 0,
    ) -> list[Any]:
        """The answers of a script for `items`; `arguments` makes its arguments for a part of them."""
        answers: list[Any] = []
        for part in parts(items, size):
            answers += await self.run(name, *arguments(part))
        return answers

    def token(self) -> str:
        """A name for one batch: a script that is sent again under it, its answer lost, answers the same."""
        return f"{self._token_prefix}{next(self._token_numbers):x}"


def parts(items: Sequence[Item], size: Callable[[Item], int] = lambda _: 0) -> Iterator[Sequence[Item]]:
    """`items` in parts of at most `BATCH_ITEMS`, and of about `BATCH_BYTES` by `size`."""
    return cut(items, size, item_limit=BATCH_ITEMS, byte_limit=BATCH_BYTES)
