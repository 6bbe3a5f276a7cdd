"""States of hosts by a clock that is wrong: they close nothing for longer than those by a right one may."""

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.clock import SKEW
from taskrunner.domain.hosts.circuit_breaker import PROBE_TIMEOUT, BreakerSettings, CircuitPhase
from taskrunner.domain.hosts.host_admission import AdmissionRequest, HostAdmission, admit
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.value import replace

NOW = 1_800_000_000.0
LEASE = 30.0
SETTINGS = HostSettings(
    breaker=BreakerSettings(failures=1, cooldown=5, longest=40, probes=2), longest_pause=50, longest_wait=60
)
# Ours among them: by such a clock nothing is ever over, or nothing has begun.
far = st.floats(60, 1e9) | st.floats(-1e9, -60)
limits = st.none() | st.builds(
    HostLimit, concurrency=st.none() | st.integers(1, 9), rate=st.floats(0.1, 500), burst=st.integers(1, 9)
)
events = st.lists(
    st.tuples(st.sampled_from(["failed", "answered", "throttled", "asked"]), st.floats(0.01, 30)), max_size=8
)


def ask_of(
    state: HostState, limit: HostLimit | None, now: float, name: str
) -> tuple[HostState, HostAdmission]:
    ask = AdmissionRequest(consumer=name, wanted=9, room=9, held=0, lease_until=now + LEASE)
    return admit(state, limit, SETTINGS, ask, now=now, random=0.5)


def history(told: list[tuple[str, float]], limit: HostLimit | None, now: float) -> tuple[HostState, float]:
    """What one consumer makes of a host from `now` on by its clock, and when that was."""
    state = HostState()
    for what, later in told:
        started, now = now, now + later
        if what == "failed":
            state = state.failed(SETTINGS, started=started, now=now)
        elif what == "answered":
            state = state.answered(started=started, now=now)
        elif what == "throttled":
            state = state.throttled(SETTINGS, later, started=started, now=now)
        else:
            state, _ = ask_of(state, limit, now, "other")
    return state, now


@given(told=events, limit=limits, skew=st.floats(-SKEW + 0.1, SKEW - 0.1))
def test_what_a_right_clock_writes_is_believed(
    told: list[tuple[str, float]], limit: HostLimit | None, skew: float
) -> None:
    """Also one that is a little off."""
    state, wrote = history(told, limit, NOW)
    assert state.sanitized(SETTINGS, wrote + skew) == state


@given(told=events, limit=limits, ahead=far)
def test_no_clock_closes_a_host_for_long(
    told: list[tuple[str, float]], limit: HostLimit | None, ahead: float
) -> None:
    """Nobody writes any more but we, who look now and then; each look is at what was written last."""
    state, wrote = history(told, limit, NOW + ahead)
    now = wrote - ahead
    state = replace(state, slots={})
    patience = max(SETTINGS.breaker.longest, SETTINGS.longest_pause, PROBE_TIMEOUT, 9 / 0.1) + SKEW + 2
    ends, admitted = now + patience, 0
    while not admitted and now < ends:
        state, admission = ask_of(state.sanitized(SETTINGS, now), limit, now, "we")
        admitted = admission.admitted
        assert all(due <= now + SETTINGS.longest_wait + 1e-3 for due in admission.wait_until)
        now += 1
    assert admitted


@given(told=events, ahead=st.floats(60, 1e9))
def test_a_circuit_from_the_future_is_probed_at_once(told: list[tuple[str, float]], ahead: float) -> None:
    """What the probes come to counts, whoever looks at the state meanwhile."""
    state, wrote = history([*told, ("answered", 1.0), ("failed", 1.0)], None, NOW + ahead)
    state = replace(state, back_pressure=HostState().back_pressure)
    now = wrote - ahead
    if state.breaker.phase(wrote) is CircuitPhase.CLOSED:
        return
    state, admission = ask_of(state.sanitized(SETTINGS, now), None, now, "we")
    assert admission.admitted == SETTINGS.breaker.probes
    seen = state.sanitized(SETTINGS, now + 1)
    assert seen.answered(started=now, now=now + 1).breaker.phase(now + 1) is CircuitPhase.CLOSED
    assert (
        seen.failed(SETTINGS, started=now, now=now + 1).closed_until(now + 1)
        <= now + 1 + SETTINGS.breaker.longest
    )


def test_the_places_of_a_dead_consumer_with_such_a_clock_are_free_in_the_end() -> None:
    """After the longest lease that can be configured, since another one may have that."""
    limit = HostLimit(concurrency=1)
    state, _ = ask_of(HostState(), limit, NOW + 1e8, "dead")
    for now in (NOW, NOW + 100, NOW + 3599):
        state, admission = ask_of(state.sanitized(SETTINGS, now), limit, now, "we")
        assert (admission.admitted, admission.reason) == (0, "concurrency limit")
    _, admission = ask_of(state.sanitized(SETTINGS, NOW + 3601), limit, NOW + 3601, "we")
    assert admission.admitted == 1
