"""A client that openapi-python-client makes of the OpenAPI document: complete, typed, and it works."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from tests.flow.api.harness import Api
from tests.tools.waiting import in_time

PACKAGE = "generated_client"
# The tool knows these types by other names: a body of any type is a file, lines are text.
CONFIG = """
post_hooks: []
content_type_overrides:
  "*/*": application/octet-stream
  application/x-ndjson: text/plain
  application/jsonl: text/plain
  text/event-stream: text/plain
"""
# What it says of what it can only leave out: text as the body of a request.
TEXT_BODIES = "Unsupported content type text/plain"
_generated: dict[bytes, Path] = {}


@pytest.fixture
async def package(
    api: Api, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The generated package, which can be imported; made once for one document."""
    document = (await api.get("/openapi.json")).content
    if document not in _generated:
        folder = tmp_path_factory.mktemp("client")
        (folder / "openapi.json").write_bytes(document)
        (folder / "config.yaml").write_text(CONFIG)
        command = (
            str(Path(sys.executable).parent / "openapi-python-client"),
            *("generate", "--meta", "none"),
            *("--path", "openapi.json", "--config", "config.yaml", "--output-path", PACKAGE),
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with in_time("the client is generated"):
            output, _ = await process.communicate()
        (folder / "output").write_bytes(output)
        _generated[document] = folder
    monkeypatch.syspath_prepend(str(_generated[document]))
    return _generated[document]


@pytest.fixture
def module(package: Path) -> Iterator[Any]:
    """Imports a module of the package by its name."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(f"{PACKAGE}.{name}")

    yield load
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


async def test_every_operation_has_a_function(api: Api, package: Path) -> None:
    """In the module of its tag, by its operationId; the tool leaves nothing out but bodies of text."""
    document = (await api.get("/openapi.json")).json
    expected = {
        f"{operation['tags'][0].replace('-', '_')}/{operation['operationId'].replace('-', '_')}.py"
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    folder = package / PACKAGE / "api"
    made = {str(path.relative_to(folder)) for path in folder.glob("*/*.py") if path.name != "__init__.py"}
    assert made == expected
    output = (package / "output").read_text()
    complaints = [
        line
        for line in output.splitlines()
        if any(word in line for word in ("Cannot", "Attempted", "Unsupported", "must", "ERROR"))
    ]
    assert set(complaints) <= {TEXT_BODIES}, output


async def test_it_submits_reads_lists_cancels_and_schedules(api: Api, module: Any) -> None:
    """With values of its own types, on the way in and on the way out."""
    models = module("models")
    key = await api.make_key("client", *Scope)
    client = module("client").AuthenticatedClient(f"http://127.0.0.1:{api.server.port}", token=key)

    async def ask(operation: str, *words: Any, **values: Any) -> Any:
        return await module(f"api.{operation}").asyncio(*words, client=client, **values)

    async with client:
        draft = models.TaskDraft(url="https://example.com/", id="one", delay="1h", max_attempts=3)
        submitted = await ask("tasks.post_tasks", body=draft, idempotency_key="k")
        assert isinstance(submitted, models.TaskView)
        assert (submitted.id, submitted.status) == ("one", models.Status.SCHEDULED)

        read = await ask("tasks.get_tasks_id", "one")
        assert isinstance(read, models.TaskView)
        assert read.created_at.tzinfo is not None
        sent = (await api.ask("GET", "/tasks/one", headers={"Authorization": f"Bearer {key}"})).json
        assert read.to_dict().keys() == sent.keys()
        # Answers may grow.
        assert models.TaskView.from_dict({**sent, "later": 1}).additional_properties == {"later": 1}

        batch = await ask("tasks.post_tasks_batch", body=["https://example.com/", {"url": "ftp://x/"}])
        assert [each.status for each in batch.items] == [202, 422]

        page = await ask("tasks.get_tasks", limit=1)
        assert isinstance(page, models.TaskPage)
        assert len(page.tasks) == 1
        assert isinstance(page.next_cursor, str)
        following = await ask("tasks.get_tasks", limit=1, cursor=page.next_cursor)
        assert [each.id for each in following.tasks] == ["one"]

        assert (await ask("tasks.post_tasks_id_cancel", "one")).status is models.Status.CANCELLED

        template = models.TaskTemplate(url="https://example.com/report")
        made = await ask(
            "schedules.post_schedules", body=models.NewSchedule(name="s", cron="@daily", task=template)
        )
        assert isinstance(made, models.ScheduleView)
        patch = models.ScheduleDraftPatch(cron="@hourly")
        assert (await ask("schedules.patch_schedules_name", "s", body=patch)).cron == "@hourly"
        assert await ask("schedules.delete_schedules_name", "s") is None


async def test_errors_are_typed(api: Api, module: Any) -> None:
    """A refusal is the problem that the document describes, with its findings, whatever the status."""
    models = module("models")
    key = await api.make_key("reader", Scope.READ)
    reader = module("client").AuthenticatedClient(f"http://127.0.0.1:{api.server.port}", token=key)
    nobody = module("client").Client(f"http://127.0.0.1:{api.server.port}")
    draft = models.TaskDraft(url="https://example.com/", max_attempts=3)
    async with reader, nobody:
        cases: tuple[tuple[int, str, Any, tuple[str, ...], dict[str, Any]], ...] = (
            (404, "tasks.get_tasks_id", reader, ("none",), {}),
            (403, "tasks.post_tasks", reader, (), {"body": draft}),
            (401, "tasks.post_tasks", nobody, (), {"body": draft}),
            (400, "tasks.get_tasks", reader, (), {"cursor": "x"}),
        )
        for status, operation, client, words, values in cases:
            answer = await module(f"api.{operation}").asyncio_detailed(*words, client=client, **values)
            assert answer.status_code == status
            assert isinstance(answer.parsed, models.ProblemView)
            assert answer.parsed.status == status
            assert answer.parsed.request_id
    writer = module("client").AuthenticatedClient(
        f"http://127.0.0.1:{api.server.port}", token=await api.make_key("writer", Scope.SUBMIT)
    )
    async with writer:
        wrong = models.TaskDraft(url="ftp://example.com/", max_attempts=0)
        refused = await module("api.tasks.post_tasks").asyncio(client=writer, body=wrong)
        assert isinstance(refused, models.ProblemView)
        assert {each.field for each in refused.errors} == {"url", "max_attempts"}
