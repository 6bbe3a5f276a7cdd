"""The modules that pages share, each by a table: what edits send, lists count, operations tell."""

import re
from typing import Any

from playwright.sync_api import Route

from taskrunner.domain.tasks.explanation import ReasonCode
from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.browser.console import Console

# Before, after, and the patch between them.
EDITS: list[tuple[Any, Any, Any]] = [
    ({"a": 1}, {"a": 1}, {}),
    ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
    ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
    ({"headers": {"X": "***", "Y": "1"}}, {"headers": {"X": "***", "Y": "2"}}, {"headers": {"Y": "2"}}),
    ({"headers": {"X": "***"}}, {"headers": {}}, {"headers": {"X": None}}),
    ({"list": [1, 2]}, {"list": [1]}, {"list": [1]}),
    ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, {}),
    ({"a": ""}, {"a": "0"}, {"a": "0"}),
    ({"a": 0}, {"a": False}, {"a": False}),
]
# The rows of a list, newest first, and what the stream has told; the last row is not the last task.
ROWS = [
    {"id": "b", "status": "failed", "created_at": "2"},
    {"id": "a", "status": "failed", "created_at": "1"},
]
# The query of the list, the changes by id, and the tasks that then wait to be shown.
CHANGES: list[tuple[str, list[Any], list[str]]] = [
    ("", [["c", {"id": "c", "status": "queued", "created_at": "3"}]], ["c"]),
    ("", [["c", {"id": "c", "status": "queued", "created_at": "3"}], ["c", None]], []),
    ("", [["b", {"id": "b", "status": "queued", "created_at": "2"}]], []),
    ("", [["old", {"id": "old", "status": "queued", "created_at": "0"}]], []),
    ("status=failed", [["c", {"id": "c", "status": "queued", "created_at": "3"}]], []),
    ("status=failed", [["c", {"id": "c", "status": "failed", "created_at": "3"}]], ["c"]),
    (
        "status=failed",
        [
            ["c", {"id": "c", "status": "failed", "created_at": "3"}],
            ["c", {"id": "c", "status": "scheduled", "created_at": "3"}],
        ],
        [],
    ),
    ("sort=created_at", [["c", {"id": "c", "status": "queued", "created_at": "3"}]], []),
]


def module(name: str) -> str:
    """An import of a module of `lib`, in the page."""
    return f"import(document.querySelector(\"link[href$='lib/api.js']\").href.replace('api.js', '{name}'))"


def test_an_edit_is_the_patch_of_its_differences(console: Console) -> None:
    """And the patch makes what was edited of what was there; numbers stay as they are written."""
    console.open("queues", "Queues")
    found = console.page.evaluate(
        f"""async edits => {{
            const {{ differences, patched }} = await {module("merge_patch.js")};
            return edits.map(([before, after]) =>
                [differences(before, after), patched(before, differences(before, after))]);
        }}""",
        [list(each[:2]) for each in EDITS],
    )
    assert [each[0] for each in found] == [patch for _, _, patch in EDITS]
    assert [each[1] for each in found] == [after for _, after, _ in EDITS]
    texts = [
        '{"a": {"big": 12345678901234567890, "rate": 1.0}}',
        '{"a": {"big": 12345678901234567891, "rate": 1.0}}',
    ]
    assert (
        console.page.evaluate(
            f"async ([one, other]) => {{ const {{ differences, parsed }} = await {module('merge_patch.js')};"
            " return JSON.stringify(differences(parsed(one), parsed(other))); }",
            texts,
        )
        == '{"a":{"big":12345678901234567891}}'
    )


def test_a_list_counts_each_new_task_once(console: Console) -> None:
    """Only those that would stand among its rows; a deleted one is none any more."""
    console.open("queues", "Queues")
    found = console.page.evaluate(
        f"""async ([rows, cases]) => {{
            const {{ merged }} = await {module("live.js")};
            return cases.map(([query, changes]) => {{
                let list = {{ path: `tasks?${{query}}`, tasks: rows, cursor: "more", fresh: new Map() }};
                for (const change of changes) list = merged(list, new Map([change]));
                return [...list.fresh.keys()];
            }});
        }}""",
        [ROWS, [list(each[:2]) for each in CHANGES]],
    )
    assert found == [fresh for _, _, fresh in CHANGES]


def test_an_older_answer_changes_nothing(console: Console) -> None:
    """An event may come while the answer is on its way; a deleted task does not come back."""
    console.open("queues", "Queues")
    answer = [{"id": "a", "status": "running", "updated_at": "2026-01-01T00:00:01.500000Z"}]
    known = [
        ("queued", "2026-01-01T00:00:01Z"),
        ("succeeded", "2026-01-01T00:00:02Z"),
        ("deleted", answer[0]["updated_at"]),
    ]
    found = console.page.evaluate(
        f"""async ([known, answer]) => {{
            const {{ caughtUp }} = await {module("live.js")};
            const row = ([status, updated_at]) => ({{ id: "a", status, updated_at }});
            const list = (each) => ({{ tasks: [row(each)], fresh: new Map() }});
            return known.map((each) => caughtUp(list(each), answer)[0].status);
        }}""",
        [known, answer],
    )
    assert found == ["running", "succeeded", "deleted"]


def test_each_reason_of_the_api_has_words(console: Console) -> None:
    """And each outcome: whoever reads Russian finds out, too, why a task does not run."""
    console.open("queues", "Queues")
    keys = [f"why.{code}" for code in ReasonCode] + [f"outcome.{kind}" for kind in OutcomeKind]
    words = console.page.evaluate(
        f"async keys => {{ const {{ t }} = await {module('ui.js')}; return keys.map(key => t(key)); }}", keys
    )
    assert [key for key, told in zip(keys, words, strict=True) if key == told] == []
    outcomes = console.page.evaluate(f"async () => (await {module('ui.js')}).OUTCOMES")
    assert outcomes == list(OutcomeKind)


def test_refusals_are_told_by_kind(console: Console) -> None:
    """The id in a reason does not make it another one; and a host that is an executor leads to its tasks."""
    console.open("queues", "Queues")
    refusals = [("01", "task 01 has ended"), ("02", "task 02 is leased"), ("03", "task 03 has ended")]
    found = console.page.evaluate(
        f"async refusals => (await {module('operation.js')}).refusedFor(refusals)",
        [{"id": each, "reason": reason} for each, reason in refusals],
    )
    assert found == [
        {"reason": "task … has ended", "ids": ["01", "03"]},
        {"reason": "task … is leased", "ids": ["02"]},
    ]
    hosts = console.page.evaluate(
        f"async () => {{ const {{ conditionOfHost }} = await {module('ui.js')};"
        " return ['a.test:80', 'executor:ship'].map(conditionOfHost); }"
    )
    assert hosts == [{"host": "a.test:80"}, {"executor": "ship"}]


def test_an_operation_is_watched_no_longer_than_its_dialog(console: Console) -> None:
    """It goes on at the server; nobody asks how far it is."""
    console.open("queues", "Queues")
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(json={"id": "op", "status": "running"})

    console.page.route(re.compile("/operations"), answer)
    found = console.page.evaluate(
        f"""async () => {{
            const {{ operate }} = await {module("operation.js")};
            const leave = new AbortController();
            const ended = operate({{}}, leave.signal, () => leave.abort());
            return ended.then(() => "ended", (error) => error.name);
        }}"""
    )
    assert (found, asked) == ("AbortError", ["POST"])
