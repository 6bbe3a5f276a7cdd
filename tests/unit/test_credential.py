"""`auth`: which credentials a task may name, and what readers see of it."""

from typing import Any

import pytest

from taskrunner.api import curl, har
from taskrunner.api.views.attempt import AttemptDetail
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.masking import Masking
from taskrunner.domain.targets.credential import CredentialUse, SignedToken, SigningSecret, use_of
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import replace
from tests.unit.test_attempt_view import RECORD
from tests.unit.test_task_draft import NOW

HOSTS = ("erp.test", "*.below.test", "port.test:8443", "127.0.0.1")
SECRET = use_of(SigningSecret(keys=("whsec_x",), hosts=HOSTS))
TOKEN = use_of(SignedToken(key_pem="x", hosts=HOSTS))
LIMITS = TaskLimits(credentials={"secret": SECRET, "token": TOKEN})
LOCAL = TaskLimits(credentials=LIMITS.credentials, ssrf_policy=SsrfPolicy(allow_loopback=True))


def refusal(fields: dict[str, Any]) -> str:
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_fields(fields, LIMITS)
    return str(caught.value)


@pytest.mark.parametrize("name", ["secret", "token"])
@pytest.mark.parametrize(
    "url", ["https://erp.test/", "https://ERP.test./x", "https://a.b.below.test/", "https://port.test:8443/"]
)
def test_a_task_names_one_for_its_host(name: str, url: str) -> None:
    draft = TaskDraft.from_fields({"url": url, "auth": name}, LIMITS)
    assert draft.to_task(TaskSettings(limits=LIMITS), task_id="t", now=NOW).auth == name


@pytest.mark.parametrize("name", ["secret", "token"])
@pytest.mark.parametrize(
    "url",
    [
        "https://below.test/",
        "https://xbelow.test/",
        "https://port.test/",
        "https://erp.test.evil.test/",
        "https://evil.test/erp.test",
        "https://93.184.216.34/",
    ],
)
def test_no_other_host_gets_it(name: str, url: str) -> None:
    """Whoever may submit a task chooses its URL; also where many tasks share the other fields."""
    assert "auth: names a credential that is not for the host" in refusal({"url": url, "auth": name})
    base = TaskDraft.base({"auth": name}, LIMITS)
    with pytest.raises(TaskInvalid, match="not for the host"):
        base.with_url(url, LIMITS)
    assert base.with_url("https://erp.test/", LIMITS).auth == name


def test_one_that_was_misspelt_is_proposed() -> None:
    assert 'did you mean "secret"' in refusal({"url": "https://erp.test/", "auth": "secrets"})
    with pytest.raises(TaskInvalid, match='did you mean "secret"'):
        TaskDraft.base({"auth": "secrets"}, LIMITS)


def test_a_token_is_not_sent_in_clear_text() -> None:
    """RFC 6750 section 5.3. A signature may be: it proves one request."""
    assert "needs https" in refusal({"url": "http://erp.test/", "auth": "token"})
    assert TaskDraft.from_fields({"url": "http://erp.test/", "auth": "secret"}, LIMITS).auth == "secret"
    assert TaskDraft.from_fields({"url": "http://127.0.0.1/", "auth": "token"}, LOCAL).auth == "token"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("token", "authorization"),
        ("token", "Authorization"),
        ("secret", "Webhook-Id"),
        ("secret", "webhook-timestamp"),
        ("secret", "WEBHOOK-SIGNATURE"),
    ],
)
def test_the_headers_that_it_sets_are_its_own(name: str, header: str) -> None:
    told = refusal({"url": "https://erp.test/", "auth": name, "headers": {header: "s3cret"}})
    assert f"auth: sets the header '{header}'" in told
    assert "s3cret" not in told
    with pytest.raises(TaskInvalid, match="sets the header"):
        TaskDraft.base({"auth": name, "headers": {header: "x"}}, LIMITS)


@pytest.mark.parametrize("value", [5, True, [], {"name": "secret"}])
def test_it_is_a_name(value: Any) -> None:
    assert "auth: must be text" in refusal({"url": "https://erp.test/", "auth": value})


def test_the_check_of_a_task_knows_no_secret() -> None:
    assert (
        CredentialUse(hosts=HOSTS, headers=("webhook-id", "webhook-timestamp", "webhook-signature")) == SECRET
    )
    assert CredentialUse(hosts=HOSTS, headers=("authorization",), is_token=True) == TOKEN


def test_readers_see_the_name() -> None:
    """Nobody knows the headers afterwards; HAR and curl say that they are missing."""
    record = replace(RECORD, task=replace(RECORD.task, auth="secret"))
    assert TaskView.of(record, Masking()).auth == "secret"
    detail = AttemptDetail.of_record(record, 1, Masking(), user_agent="x")
    assert detail.request is not None
    assert detail.request.auth == "secret"
    assert "# Without the headers of the credential secret" in curl.command(detail, timeout=1)
    [entry] = har.archive([detail]).log["entries"]
    assert "the credential secret" in entry["comment"]
