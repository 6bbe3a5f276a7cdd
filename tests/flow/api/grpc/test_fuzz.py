"""Whatever a client sends, the answer is no INTERNAL and no UNKNOWN."""

import os
import random
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from taskrunner.domain.process_events import RequestFailed
from tests.flow.api.grpc.harness import MANAGER, URL, WORKER, GrpcApi
from tests.tools.waiting import in_time

FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
# `make fuzz` asks for more.
CASES = 5000 if "FUZZ_CASES" in os.environ else 1000
SERVICES = (
    MANAGER,
    WORKER,
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)
message_class: Any = GetMessageClass
METHODS: list[Any] = [method for service in SERVICES for method in service.methods]
NASTY_TEXTS = ("", "\x00", "é" * 200, "~", "a" * 9000, "\n", "http://[", "{", '{"a":1}{"b":2}', "null", "-1")


def filled(message: Message, chance: random.Random, depth: int = 0) -> Message:
    """Some of the fields, with values that fit the message but mostly nothing else."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.5 or depth > 4:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is None:
                getattr(message, field.name)[chance.choice(NASTY_TEXTS)] = chance.choice(NASTY_TEXTS)
            continue
        count = chance.randint(1, 3)
        if field.message_type is not None:
            for _ in range(count if field.is_repeated else 1):
                inner = getattr(message, field.name)
                filled(inner.add() if field.is_repeated else inner, chance, depth + 1)
            continue
        values = [_value(field, chance) for _ in range(count)]
        if field.is_repeated:
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, values[0])
    return message


def _value(field: Any, chance: random.Random) -> Any:
    if field.type == field.TYPE_BYTES:
        return chance.randbytes(chance.randint(0, 40))
    if field.type == field.TYPE_STRING:
        return chance.choice((*NASTY_TEXTS, URL))
    if field.type == field.TYPE_BOOL:
        return chance.random() < 0.5
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return chance.choice((0.0, -1.0, float("nan"), float("inf"), 1e308))
    if field.type == field.TYPE_ENUM:
        return chance.choice((0, 1, 2, 99, -5))
    bits = 31 if field.type == field.TYPE_INT32 else 63
    return chance.choice((0, 1, -1, 2**bits - 1, -(2**bits), 60))


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Bytes that are mostly no message any more."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randint(1, 200))
    if kind == 1:
        return raw[: chance.randint(0, len(raw))]
    if kind == 2:
        return raw + chance.randbytes(chance.randint(1, 8))
    broken = bytearray(raw or b"\x00")
    for _ in range(chance.randint(1, 8)):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


@pytest.mark.parametrize("seed", range(5))
async def test_malformed_requests_are_the_fault_of_the_caller(rpc: GrpcApi, seed: int) -> None:
    """Of all methods, health and reflection too: broken messages, and messages of nonsense."""
    chance = random.Random(seed)
    for _ in range(CASES // 5):
        method = chance.choice(METHODS)
        raw = filled(message_class(method.input_type)(), chance).SerializePartialToString()
        code = await _ending(rpc, method, raw if chance.random() < 0.5 else mutated(raw, chance), chance)
        assert code not in FAULTS, (method.full_name, raw)
    assert not [event for event in rpc.api.events if isinstance(event, RequestFailed)]
    assert (await rpc.add()).created


async def _ending(rpc: GrpcApi, method: Any, raw: bytes, chance: random.Random) -> grpc.StatusCode:
    """Send these bytes once, twice, or not at all; how the call ends. A stream is read once."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    count = chance.choice((0, 1, 1, 1, 2)) if method.client_streaming else 1
    channel: Any = rpc.channel
    async with in_time(path):
        try:
            if method.client_streaming:
                call = channel.stream_stream(path)(iter([raw] * count))
                await call.read()
            elif method.server_streaming:
                call = channel.unary_stream(path)(raw)
                await call.read()
            else:
                call = channel.unary_unary(path)(raw)
                await call
        except grpc.aio.AioRpcError as exc:
            return exc.code()
        call.cancel()
        return grpc.StatusCode.OK
