"""Checks what modules have registered: names, duplicates, signatures, schemas and retry policies."""

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from taskrunner.domain.executors.executor import BUILT_IN, NAME_PATTERN
from taskrunner.domain.messages import shown
from taskrunner.domain.retries.retry_policy import MAX_DELAY
from taskrunner.domain.tasks.task_limits import COUNT_LIMIT
from taskrunner.handlers.python.handler_schema import SchemaUnusable
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.registry import Registry
from taskrunner.handlers.python.retry_policies import Constant, Exponential, Linear


@dataclass(frozen=True, slots=True)
class HandlerFinding:
    """What is wrong with one handler, and where it was registered."""

    name: str
    message: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: handler {shown(self.name)}: {self.message}"


def findings_of(registry: Registry) -> list[HandlerFinding]:
    """All findings, in the order of registration; empty if the handlers can be used."""
    found = [
        HandlerFinding(_shown_name(definition.name), message, definition.place)
        for definition in registry.definitions
        for message in _of_definition(definition)
    ]
    by_name = sorted(registry.definitions, key=lambda each: str(each.name))
    for first, second in pairwise(by_name):
        if first.name == second.name:
            message = f"is registered twice, here and in {first.place}; rename one of them"
            found.append(HandlerFinding(first.name, message, second.place))
    return found


def _shown_name(name: Any) -> str:
    return name.__name__ if inspect.isroutine(name) else str(name)


def _of_definition(definition: Any) -> Iterator[str]:
    if callable(definition.name):
        yield 'has no name for its executor: write @handler("resize_image"), with yours'
        return
    if not isinstance(definition.name, str) or not NAME_PATTERN.fullmatch(definition.name):
        yield "the name must be snake_case: a letter, then up to 63 letters, digits and underscores"
    elif definition.name == BUILT_IN:
        yield f"{BUILT_IN} is the built-in executor, which fetches URLs; choose another name"
    yield from _of_signature(definition)
    try:
        definition.handler_schema  # noqa: B018 - made on the first look
    except SchemaUnusable as exc:
        yield f"schema: {exc}"
    timeout = definition.timeout
    # How long it may be is said by the configuration.
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        yield f"timeout must be a number of seconds above 0, got {timeout!r}"
    for name in ("queue", "description"):
        text = getattr(definition, name)
        if text is not None and not isinstance(text, str):
            yield f"{name} must be text, got {text!r}"
    yield from _of_retry(definition.retry)
    for each in definition.middleware:
        if not isinstance(each, Middleware):
            yield f"middleware must be instances of Middleware, got {type(each).__name__}"


def _of_signature(definition: Any) -> Iterator[str]:
    function = definition.function
    if not callable(function):
        yield f"must be a function, got {type(function).__name__}"
        return
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield "is a generator: return the result instead of yielding it"
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some built-in functions have none; the first call tells
    try:
        signature.bind(None)
    except TypeError as exc:
        yield f"must be callable with one argument, the task: {exc} (its signature is {signature})"


def _of_retry(retry: Any) -> Iterator[str]:
    if retry is None:
        return
    if not isinstance(retry, Constant | Linear | Exponential):
        yield f"retry must be Constant(), Linear() or Exponential(), got {retry!r}"
        return
    attempts: Any = retry.attempts
    if attempts is not None and not (type(attempts) is int and 1 <= attempts <= COUNT_LIMIT):
        yield f"retry: attempts must be from 1 to {COUNT_LIMIT}, got {attempts!r}"
    cap = retry.base if isinstance(retry, Constant) else retry.cap
    for name, value, most in (
        ("base", retry.base, MAX_DELAY),
        ("cap", cap, MAX_DELAY),
        ("jitter", retry.jitter, 1),
    ):
        if not (_is_number(value) and 0 <= value <= most):
            yield f"retry: {name} must be from 0 to {most:g}, got {value!r}"
            return
    if retry.base > cap:
        yield f"retry: base must be at most cap, which is {cap:g}, got {retry.base:g}"


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
