"""The Sentinels: they know which of several servers is the primary now.

https://redis.io/docs/latest/develop/reference/sentinel-clients/ - whoever connects asks anew; that what was
found is a primary indeed shows when it takes the store's probe.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import RedisError

from taskrunner.runtime.cancel_and_wait import cancel_and_wait

Place = tuple[str, int]


class Sentinels:
    """Asks all of them at once: one that is away would cost its time limit otherwise."""

    def __init__(
        self,
        places: Sequence[Place],
        service: str,
        *,
        timeout: float,
        connect: Callable[[Place], AbstractConnection],
    ) -> None:
        self._places = places
        self._service = service
        self._timeout = timeout
        self._connect = connect

    async def primary(self) -> Place:
        """Where the primary is, by the first answer. Raises the driver's `ConnectionError`."""
        asking = [asyncio.create_task(self._ask(place)) for place in self._places]
        try:
            for answer in asyncio.as_completed(asking):
                with suppress(RedisError, OSError):
                    return await answer
        finally:
            await cancel_and_wait(*asking)
        raise DriverConnectionError(_reasons(self._places, [task.exception() for task in asking]))

    async def _ask(self, place: Place) -> Place:
        connection = self._connect(place)
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


def _reasons(places: Sequence[Place], errors: Sequence[BaseException | None]) -> str:
    told = [f"{host}:{port}: {error}" for (host, port), error in zip(places, errors, strict=True)]
    return f"no Sentinel tells where it is ({'; '.join(told)})"
