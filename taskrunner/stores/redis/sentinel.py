"""The Sentinels, which know the current primary: https://redis.io/docs/latest/develop/reference/sentinel-clients/

Each new connection asks again. The store's probe shows whether the server is a primary indeed.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import RedisError

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.runtime.cancel_and_wait import cancel_and_wait

Address = tuple[str, int]


class Sentinels:
    """Asks all Sentinels at once: otherwise one that is away costs its time limit."""

    def __init__(
        self,
        addresses: Sequence[Address],
        service: str,
        *,
        timeout: float,
        connect: Callable[[Address], AbstractConnection],
    ) -> None:
        self._addresses = addresses
        self._service = service
        self._timeout = timeout
        self._connect = connect

    async def primary(self) -> Address:
        """The address of the primary, by the first answer. Raises the driver's `ConnectionError`."""
        asking = [asyncio.create_task(self._ask(address)) for address in self._addresses]
        try:
            for answer in asyncio.as_completed(asking):
                with suppress(RedisError, OSError):
                    return await answer
        finally:
            await cancel_and_wait(*asking)
        raise DriverConnectionError(_reasons(self._addresses, [task.exception() for task in asking]))

    async def _ask(self, address: Address) -> Address:
        connection = self._connect(address)
        try:
            async with asyncio.timeout(self._timeout):
                await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
                answer: list[bytes] | None = await connection.read_response()
        except TimeoutError as exc:
            raise OSError(f"no answer within {self._timeout:g} s") from exc
        finally:
            await connection.disconnect(nowait=True)
        if answer is None:
            raise DriverConnectionError(f"watches no {self._service}")
        host, port = answer
        return host.decode(), int(port)


def _reasons(addresses: Sequence[Address], errors: Sequence[BaseException | None]) -> str:
    reasons = [f"{shown_place(place)}: {error}" for place, error in zip(addresses, errors, strict=True)]
    return f"no Sentinel knows the primary ({'; '.join(reasons)})"
