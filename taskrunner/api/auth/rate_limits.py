"""The rate limit of a key in headers of answers, by draft-ietf-httpapi-ratelimit-headers (08 and later)."""

import math
from collections.abc import Mapping

from aiohttp import web

from taskrunner.api.http.problems import Problem, RequestRefused
from taskrunner.domain.hosts.host_limit import rate_text
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.producer.key_limiter import Allowance

# The name of the only policy.
_POLICY = '"key"'
_ALLOWANCE: web.RequestKey[Allowance | None] = web.RequestKey("allowance", Allowance)


def remember_allowance(request: web.BaseRequest, allowance: Allowance | None) -> None:
    """Only `Access` calls this."""
    request[_ALLOWANCE] = allowance


def has_allowance(request: web.BaseRequest) -> bool:
    """Whether this request was taken from the limit before."""
    return _ALLOWANCE in request


def tell_allowance(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the limit of the caller's key, if there is one, also to an error."""
    allowance = request.get(_ALLOWANCE)
    if allowance is not None:
        for name, value in limit_fields(allowance).items():
            # A refusal may have told of another limit.
            other = response.headers.get(name)
            response.headers[name] = value if other is None else f"{other}, {value}"


def limit_fields(allowance: Allowance) -> Mapping[str, str]:
    """The fields of an answer: a quota of whole seconds, how many are left, and when all will be."""
    limiter = allowance.limiter
    window = max(1, math.ceil(limiter.tolerance))
    quota = max(1, math.floor(window / limiter.interval))
    reset = math.ceil(allowance.whole_in if allowance.granted else allowance.next_in)
    return {
        "RateLimit-Policy": f"{_POLICY};q={quota};w={window}",
        "RateLimit": f"{_POLICY};r={allowance.available};t={max(reset, 0 if allowance.granted else 1)}",
    }


def too_many(key: ApiKey, allowance: Allowance) -> RequestRefused:
    """429 (RFC 6585 section 4)."""
    wait = max(1, math.ceil(allowance.next_in))
    limit = f"{rate_text(key.rate)}, {allowance.limiter.burst} at once"
    return RequestRefused(
        Problem(
            status=429,
            code="rate_limited",
            detail=f"key {key.name!r} is limited to {limit}; send the request again after {wait} s",
            headers={"Retry-After": str(wait), **limit_fields(allowance)},
        )
    )
