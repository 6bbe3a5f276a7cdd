"""Sessions of the console on Redis: each is one field of a hash, and its last use one of another."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.keys.console_session import ConsoleSession
from taskrunner.stores.redis.fields import pairs
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.session_store import KnownSession, SessionStore, decode_session


class RedisSessionStore(RedisPart, SessionStore):
    async def save_session(self, session: ConsoleSession) -> None:
        await self._connection.call("HSET", f"{self._prefix}sessions", session.id, encode(session))

    async def console_sessions(self) -> Sequence[KnownSession]:
        uses = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}session-uses")))
        found = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}sessions")))
        known = [_known(encoded, uses.get(each)) for each, encoded in found.items()]
        return sorted(known, key=lambda each: (each.session.created_at, each.session.id))

    async def note_session_uses(self, uses: Mapping[str, datetime]) -> None:
        if uses:
            flat = [each for session_id, moment in uses.items() for each in (session_id, to_ms(moment))]
            await self.run("note_session_uses", *flat)

    async def end_sessions(self, ids: Collection[str]) -> int:
        return int(await self.run("end_sessions", *ids)) if ids else 0


def _known(encoded: bytes, used: bytes | None) -> KnownSession:
    last = None if used is None else from_ms(float(used))
    return KnownSession(session=decode_session(encoded), last_used_at=last)
