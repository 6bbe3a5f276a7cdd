"""The seam to a store: one abstract class per asker, and `Store`, which is all of them.

Every change is conditional on the state it expects, and each call commits its batch before it returns. The
contract tests in `tests/contract/stores` state the same in code; each adapter passes them. Users of a store
import the seam from here.
"""

from taskrunner.domain.tasks.new_task import NewTask as NewTask
from taskrunner.domain.tasks.settlement import Settlement as Settlement
from taskrunner.stores.api_key_store import ApiKeyStore as ApiKeyStore
from taskrunner.stores.api_key_store import KnownKey as KnownKey
from taskrunner.stores.api_key_store import StoredBytes as StoredBytes
from taskrunner.stores.audit_store import AuditStore as AuditStore
from taskrunner.stores.change_store import ChangeStore as ChangeStore
from taskrunner.stores.consumer_store import ClaimAnswer as ClaimAnswer
from taskrunner.stores.consumer_store import Claimed as Claimed
from taskrunner.stores.consumer_store import ConsumerStore as ConsumerStore
from taskrunner.stores.consumer_store import SnoozeRequest as SnoozeRequest
from taskrunner.stores.dead_letter_store import DeadLetterStore as DeadLetterStore
from taskrunner.stores.dedup_store import DedupStore as DedupStore
from taskrunner.stores.dedup_store import Replaced as Replaced
from taskrunner.stores.executor_store import ExecutorStore as ExecutorStore
from taskrunner.stores.fleet_store import FleetStore as FleetStore
from taskrunner.stores.fleet_store import StoredFigures as StoredFigures
from taskrunner.stores.host_store import HostStore as HostStore
from taskrunner.stores.inspection_store import InspectionStore as InspectionStore
from taskrunner.stores.intake_store import AcceptAnswer as AcceptAnswer
from taskrunner.stores.intake_store import Accepted as Accepted
from taskrunner.stores.intake_store import IntakeStore as IntakeStore
from taskrunner.stores.lifecycle import StoreLifecycle as StoreLifecycle
from taskrunner.stores.lifecycle import StoreStatus as StoreStatus
from taskrunner.stores.operation_store import OperationStore as OperationStore
from taskrunner.stores.operation_store import StoredOperation as StoredOperation
from taskrunner.stores.operator_store import OperatorStore as OperatorStore
from taskrunner.stores.queue_store import QueueStore as QueueStore
from taskrunner.stores.rate_store import Measured as Measured
from taskrunner.stores.rate_store import RateAnswer as RateAnswer
from taskrunner.stores.rate_store import RateAsk as RateAsk
from taskrunner.stores.rate_store import RateStore as RateStore
from taskrunner.stores.relay_store import RelayStore as RelayStore
from taskrunner.stores.schedule_store import ScheduleStore as ScheduleStore
from taskrunner.stores.schedule_store import StoredSchedule as StoredSchedule
from taskrunner.stores.session_store import KnownSession as KnownSession
from taskrunner.stores.session_store import SessionStore as SessionStore
from taskrunner.stores.values import AttemptRef as AttemptRef
from taskrunner.stores.values import CursorInvalid as CursorInvalid
from taskrunner.stores.values import Due as Due
from taskrunner.stores.values import Page as Page
from taskrunner.stores.webhook_store import WebhookStore as WebhookStore


class Store(
    StoreLifecycle,
    IntakeStore,
    DedupStore,
    RelayStore,
    ConsumerStore,
    OperatorStore,
    DeadLetterStore,
    ScheduleStore,
    HostStore,
    ApiKeyStore,
    AuditStore,
    RateStore,
    SessionStore,
    ChangeStore,
    WebhookStore,
    ExecutorStore,
    QueueStore,
    OperationStore,
    FleetStore,
    InspectionStore,
):
    """All parts of a store.

    The methods are for one event loop. Any may raise `StoreUnavailable`; the caller cannot know whether the
    call took effect, so every change may be repeated. Batches may be empty. `now` is the caller's clock.
    """
