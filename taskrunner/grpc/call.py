"""A call: one request of a client, from its metadata to its end."""

from collections.abc import Sequence
from urllib.parse import unquote

from grpc.aio import ServicerContext

from taskrunner.api.auth.access import Admission, Caller
from taskrunner.api.auth.asker import Asker
from taskrunner.api.auth.scopes import Needs
from taskrunner.api.http.client_address import is_near_peer
from taskrunner.api.http.request_ids import fit_request_id
from taskrunner.domain.keys.audit import Actor, AuditSource
from taskrunner.producer.audit_trail import Change

Context = ServicerContext[bytes, bytes]


class Call(Asker):
    """`caller` and `change` are set before the handler runs, which notes in `change` what it changes."""

    caller: Caller
    change: Change

    def __init__(self, context: Context, admission: Admission, needs: Needs) -> None:
        self.context = context
        self._admission = admission
        self._needs = needs
        self._metadata = [
            (name, value.decode("latin-1") if isinstance(value, bytes) else value)
            for name, value in context.invocation_metadata() or ()
        ]
        self.request_id = fit_request_id(self.metadata("x-request-id"))

    def metadata(self, name: str) -> Sequence[str]:
        """All values of that name, which is in lower case."""
        return [value for each, value in self._metadata if each == name]

    def authorization(self) -> Sequence[str]:
        return self.metadata("authorization")

    def is_near(self) -> bool:
        return is_near_peer(self.peer, [name for name, _ in self._metadata])

    async def may_go_on(self) -> bool:
        """Whether the client is still connected, and still allowed to make the call."""
        return not self.context.done() and await self._admission.still_admits(self, self.caller, self._needs)

    @property
    def peer(self) -> str:
        """The address of the client, or `unix`: gRPC has `ipv4:127.0.0.1:49152`, `ipv6:%5B::1%5D:49152`."""
        family, _, place = unquote(self.context.peer()).partition(":")
        return place.rpartition(":")[0].strip("[]") if family.startswith("ipv") else family

    @property
    def actor(self) -> Actor:
        """Who calls, for the audit."""
        return Actor(
            source=AuditSource.API, key=self.caller.name, origin=self.peer, request_id=self.request_id
        )
