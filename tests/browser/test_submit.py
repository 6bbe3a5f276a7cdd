"""The page that submits a task: its form and its JSON are the same task."""

import json

from playwright.sync_api import expect

from tests.browser.console import Console


def test_a_task_is_submitted_by_the_form(console: Console) -> None:
    """Each field is in the JSON; the rest stays, and numbers stay as they are written."""
    console.open("submit", "Submit a task")
    task = '"url": "https://old.test/", "body": {"n": 12345678901234567890}, "redirects": "none"'
    console.page.get_by_label("The task as JSON").fill(f'{{{task}, "timeout": 7.0}}')
    console.button("Form").click()
    main = console.page.locator("main")
    main.get_by_label("URL", exact=True).fill(f"{console.server.target}/good")
    main.get_by_label("Method").select_option("POST")
    main.get_by_label("Headers").fill("X-Team: a\nX-Empty:")
    main.get_by_label("Labels").fill("form=yes\nteam=a=b")
    main.get_by_label("Attempts").fill("2")
    expect(main.get_by_label("Timeout")).to_have_value("7.0")
    expect(console.page.get_by_text("allowed")).to_be_visible()
    assert console.violations() == {}
    console.button("JSON").click()
    text = console.page.get_by_label("The task as JSON").input_value()
    assert "12345678901234567890" in text
    assert '"timeout": 7.0' in text
    assert {**json.loads(text), "url": "", "body": ""} == {
        "url": "",
        "body": "",
        "redirects": "none",
        "method": "POST",
        "headers": {"X-Team": "a", "X-Empty": ""},
        "labels": {"form": "yes", "team": "a=b"},
        "max_attempts": 2,
        "timeout": 7,
    }
    # An empty object is a body like another.
    console.button("Form").click()
    main.get_by_label("Body").fill("{}")
    console.button("JSON").click()
    assert json.loads(console.page.get_by_label("The task as JSON").input_value())["body"] == {}
    console.button("Submit").click()
    console.shows("POST")
    (made,) = console.server.ask("GET", "/tasks?label=form%3Dyes")["tasks"]
    assert (made["method"], made["attempt_limit"], made["labels"]["team"]) == ("POST", 2, "a=b")


def test_json_that_is_no_task_has_no_form(console: Console) -> None:
    """It is told where to mend it, and nothing is lost."""
    console.open("submit", "Submit a task")
    console.page.get_by_label("The task as JSON").fill("{")
    console.button("Form").click()
    expect(console.page.get_by_role("alert").filter(has_text="mend it under JSON")).to_be_visible()
    console.button("JSON").click()
    expect(console.page.get_by_label("The task as JSON")).to_have_value("{")
