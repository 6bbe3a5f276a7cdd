"""The gRPC API in this process, beside the HTTP API and on the same parts."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.grpc.settings import GrpcSettings
from tests.flow.api.grpc.harness import GrpcApi, serving
from tests.flow.api.harness import Api
from tests.tools.handlers import own_registry


@pytest.fixture
def grpc_settings() -> GrpcSettings:
    """The default ones, but calls under way need not be waited for."""
    return GrpcSettings(shutdown_grace=0.0)


@pytest.fixture
async def rpc(
    api: Api, access_settings: AccessSettings, grpc_settings: GrpcSettings
) -> AsyncIterator[GrpcApi]:
    """A server, and a channel to it."""
    async with (
        serving(api, access_settings, grpc_settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield GrpcApi(api, server, channel)


@pytest.fixture
async def remote(rpc: GrpcApi) -> GrpcApi:
    """With a remote executor."""
    await rpc.api.make_executor("resize", kind="remote")
    return rpc


@pytest.fixture
def registry() -> Iterator[None]:
    """Of the test's own, for what handlers it registers."""
    with own_registry():
        yield
