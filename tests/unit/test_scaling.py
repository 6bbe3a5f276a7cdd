"""The number of workers: within bounds, up at once, down only after a cooldown, and never flapping."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.fleet.scaling import Load, ScalingHistory, ScalingSettings, decide

bounds_of = st.tuples(st.integers(1, 50), st.integers(0, 50), st.floats(0.5, 60), st.floats(0.1, 10)).map(
    lambda parts: ScalingSettings(
        min_workers=parts[0], max_workers=parts[0] + parts[1], cooldown=parts[2], drain_within=parts[3]
    )
)
loads = st.builds(
    Load,
    depth=st.integers(0, 1_000_000),
    backlog=st.integers(0, 1000),
    busy=st.integers(0, 100),
    task_time=st.none() | st.floats(0, 900),
)
IDLE = Load(depth=0, backlog=0, busy=0, task_time=0.1)
# Idle for long enough, now and then, that there is something to go down to.
moments = st.tuples(loads, st.floats(0.01, 20)) | st.tuples(st.just(IDLE), st.floats(0.01, 60))
histories = st.lists(moments, min_size=1, max_size=30)


def replay(
    bounds: ScalingSettings, history: list[tuple[Load, float]]
) -> list[tuple[ScalingHistory, ScalingHistory, float]]:
    """The memory before and after each decision, and its moment."""
    memory, now, steps = ScalingHistory(target=bounds.min_workers), 0.0, []
    for load, pause in history:
        after = decide(bounds, load, memory, now).history
        steps.append((memory, after, now))
        memory, now = after, now + pause
    return steps


def test_a_burst_has_all_its_workers_at_once() -> None:
    """2,000 tasks of 200 ms, nothing measured yet: 50 workers in one decision."""
    decision = decide(
        ScalingSettings(), Load(depth=2000, backlog=0, busy=0, task_time=None), ScalingHistory(target=5), 0
    )
    assert (decision.target, decision.needed) == (50, 50)
    assert decision.reason == "up to 50: depth 2000, backlog 0, busy 0, task time unmeasured"


def test_fast_tasks_need_few_workers() -> None:
    """100 tasks of 10 ms are one second of work for one more worker."""
    load = Load(depth=60, backlog=40, busy=6, task_time=0.01)
    assert decide(ScalingSettings(), load, ScalingHistory(target=5), 0).target == 7


def test_no_more_workers_than_there_is_to_do() -> None:
    """However slow the tasks are."""
    load = Load(depth=2, backlog=1, busy=5, task_time=600)
    decision = decide(ScalingSettings(), load, ScalingHistory(target=5), 0)
    assert decision.target == 8
    assert decision.reason.endswith("task time 600000.0 ms")


def test_idle_workers_stay_for_the_cooldown() -> None:
    """Then all that were not needed in it go at once."""
    bounds, memory = ScalingSettings(), ScalingHistory(target=50)
    for now in (100.0, 110.0, 129.9):
        decision = decide(bounds, IDLE, memory, now)
        assert decision.target == 50
        assert "until the cooldown is over" in decision.reason
        memory = decision.history
    decision = decide(bounds, IDLE, memory, 130.0)
    assert (decision.target, decision.history) == (5, ScalingHistory(target=5))


def test_down_only_to_the_most_that_were_wanted() -> None:
    """A short need in the cooldown is remembered."""
    memory = decide(ScalingSettings(), IDLE, ScalingHistory(target=50), 0).history
    memory = decide(ScalingSettings(), Load(depth=0, backlog=0, busy=20, task_time=0.1), memory, 10).history
    assert decide(ScalingSettings(), IDLE, memory, 30).target == 20


def test_a_full_need_starts_the_cooldown_anew() -> None:
    """Ten seconds of quiet between two bursts retire nobody."""
    busy = Load(depth=1000, backlog=0, busy=50, task_time=1)
    memory = decide(ScalingSettings(), IDLE, ScalingHistory(target=50), 0).history
    memory = decide(ScalingSettings(), busy, memory, 29).history
    assert memory == ScalingHistory(target=50)
    assert decide(ScalingSettings(), IDLE, memory, 31).target == 50


@given(bounds_of, histories)
def test_the_target_stays_within_its_bounds(
    bounds: ScalingSettings, history: list[tuple[Load, float]]
) -> None:
    """Whatever was measured."""
    for _, after, _ in replay(bounds, history):
        assert bounds.min_workers <= after.target <= bounds.max_workers


@given(bounds_of, histories, loads, st.integers(0, 1000))
def test_the_target_is_monotone_in_depth(
    bounds: ScalingSettings, history: list[tuple[Load, float]], load: Load, more: int
) -> None:
    """For the same memory and moment, a deeper queue never means fewer workers."""
    _, memory, now = replay(bounds, history)[-1]
    deeper = Load(depth=load.depth + more, backlog=load.backlog, busy=load.busy, task_time=load.task_time)
    assert decide(bounds, deeper, memory, now + 5).target >= decide(bounds, load, memory, now + 5).target


@given(bounds_of, histories)
def test_never_down_before_a_whole_cooldown_of_less(
    bounds: ScalingSettings, history: list[tuple[Load, float]]
) -> None:
    """A target falls only when every decision of the cooldown before would have done with fewer."""
    steps = replay(bounds, history)
    for index, (before, after, now) in enumerate(steps):
        if after.target < before.target:
            earlier = [moment for _, _, moment in steps[:index] if now - moment >= bounds.cooldown]
            assert earlier
            since = [memory for memory, _, moment in steps[:index] if moment > max(earlier)]
            assert all(memory.target == before.target for memory in since)


@given(bounds_of, histories, loads)
def test_a_constant_load_settles_and_then_never_moves(
    bounds: ScalingSettings, history: list[tuple[Load, float]], load: Load
) -> None:
    """At most one step up or down, then the target stays: no flapping."""
    _, memory, now = replay(bounds, history)[-1]
    targets = []
    for step in range(16):
        decision = decide(bounds, load, memory, now + step * bounds.cooldown / 2)
        memory = decision.history
        targets.append(decision.target)
    assert len(set(targets[10:])) == 1
    changes = [pair for pair in pairwise(targets) if pair[0] != pair[1]]
    assert all(low < high for low, high in changes) or all(low > high for low, high in changes)


@given(bounds_of, loads, st.integers(1, 200))
def test_up_is_at_once_and_to_what_is_wanted(bounds: ScalingSettings, load: Load, target: int) -> None:
    """No cooldown on the way up."""
    decision = decide(bounds, load, ScalingHistory(target=target), 0)
    if decision.needed > target:
        assert decision.target == decision.needed
