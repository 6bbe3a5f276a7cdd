"""The asker: a request, as far as admission looks at it. HTTP and gRPC have one each."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.api.http.problems import Problem, RequestRefused
from taskrunner.domain.keys.api_key import ApiKey

HOW_TO_SEND_A_KEY = "send it as `Authorization: Bearer tr_…`, or as the password of HTTP Basic"


class Asker(ABC):
    """Reads one request."""

    @abstractmethod
    def authorization(self) -> Sequence[str]:
        """All `Authorization` headers."""

    @abstractmethod
    def is_near(self) -> bool:
        """Whether it comes from this machine, and not by a proxy on it from another one."""

    @property
    def may_have_other_key(self) -> bool:
        """Whether to ask for `other_key`."""
        return False

    async def other_key(self, *, is_probe: bool) -> ApiKey | None:
        """The key of a request without `Authorization`, if it has one in another way."""
        return None

    def unauthorized(self, code: str, detail: str) -> RequestRefused:
        """The refusal of a request that needs a key."""
        return RequestRefused(Problem(status=401, code=code, detail=detail))

    def without_key(self) -> RequestRefused:
        """The refusal of a request that came with none."""
        return self.unauthorized("key_missing", f"this needs an API key: {HOW_TO_SEND_A_KEY}")
