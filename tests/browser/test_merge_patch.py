"""What dialogs send of an edit: its differences as a JSON merge patch (RFC 7396), and edits on a newer state."""

from typing import Any

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
MODULE = (
    'import(document.querySelector("link[href$=\'lib/api.js\']").href.replace("api.js", "merge_patch.js"))'
)


def test_an_edit_is_the_patch_of_its_differences(console: Console) -> None:
    """And the patch makes what was edited of what was there; numbers stay as they are written."""
    console.open("queues", "Queues")
    found = console.page.evaluate(
        f"""async edits => {{
            const {{ differences, patched }} = await {MODULE};
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
            f"async ([one, other]) => {{ const {{ differences, parsed }} = await {MODULE};"
            " return JSON.stringify(differences(parsed(one), parsed(other))); }",
            texts,
        )
        == '{"a":{"big":12345678901234567891}}'
    )
