"""The scope that each route needs. A route that is not in this table cannot be added to an application."""

from collections.abc import Mapping
from dataclasses import dataclass

from taskrunner.domain.keys.api_key import Scope


@dataclass(frozen=True, slots=True)
class Needs:
    """`scopes` are all needed; none means that everybody may ask, or any key if it is `keyed`.

    `monitor`: `Monitor.auth` decides.
    """

    scopes: tuple[Scope, ...]
    monitor: bool = False
    keyed: bool = False

    @property
    def is_open(self) -> bool:
        return not self.scopes and not self.keyed


OPEN = Needs(())
ANY_KEY = Needs((), keyed=True)
SUBMIT = Needs((Scope.SUBMIT,))
READ = Needs((Scope.READ,))
OPERATE = Needs((Scope.OPERATE,))
# Reports tell how tasks end.
SUBSCRIBE = Needs((Scope.SUBMIT, Scope.READ))
ADMIN = Needs((Scope.ADMIN,))
# What belongs to no single key: to see it is to see what other keys do, to change it changes their tasks.
READ_SHARED = Needs((Scope.READ, Scope.READ_ALL))
OPERATE_SHARED = Needs((Scope.OPERATE, Scope.READ_ALL))
MONITOR = Needs((Scope.READ, Scope.READ_ALL), monitor=True)

ROUTES: Mapping[tuple[str, str], Needs] = {
    ("POST", "/tasks"): SUBMIT,
    ("POST", "/tasks/batch"): SUBMIT,
    ("GET", "/tasks"): READ,
    ("GET", "/tasks/{id}"): READ,
    ("GET", "/tasks/{id}/body"): READ,
    ("GET", "/tasks/{id}/explain"): READ,
    ("GET", "/tasks/{id}/events"): READ,
    ("GET", "/tasks/{id}/attempts"): READ,
    ("GET", "/tasks/{id}/attempts/{number}"): READ,
    ("POST", "/tasks/{id}/cancel"): OPERATE,
    ("DELETE", "/tasks/{id}"): OPERATE,
    ("GET", "/events"): READ,
    ("GET", "/dead-letters"): READ,
    ("GET", "/dead-letter-groups"): READ,
    ("GET", "/dead-letters/{id}"): READ,
    ("DELETE", "/dead-letters/{id}"): OPERATE,
    ("POST", "/dead-letters/{id}/requeue"): OPERATE,
    ("GET", "/operations"): READ,
    ("POST", "/operations"): OPERATE,
    ("GET", "/operations/{operation}"): READ,
    ("POST", "/operations/{operation}/abort"): OPERATE,
    ("POST", "/schedules"): SUBMIT,
    ("GET", "/schedules"): READ,
    ("GET", "/schedules/{name}"): READ,
    ("GET", "/schedule-runs"): READ,
    # Nothing of what is stored.
    ("GET", "/timetable"): ANY_KEY,
    ("PUT", "/schedules/{name}"): SUBMIT,
    ("PATCH", "/schedules/{name}"): SUBMIT,
    ("DELETE", "/schedules/{name}"): OPERATE,
    ("POST", "/schedules/{name}/pause"): OPERATE,
    ("POST", "/schedules/{name}/resume"): OPERATE,
    ("POST", "/schedules/{name}/run"): SUBMIT,
    ("POST", "/webhooks"): SUBSCRIBE,
    ("GET", "/webhooks"): READ,
    ("GET", "/webhooks/{webhook}"): READ,
    ("PUT", "/webhooks/{webhook}"): SUBSCRIBE,
    ("PATCH", "/webhooks/{webhook}"): SUBSCRIBE,
    ("DELETE", "/webhooks/{webhook}"): OPERATE,
    # Every key that names an executor has to see it; a change affects the tasks of all keys.
    ("GET", "/executors"): READ,
    ("GET", "/executors/{executor}"): READ,
    ("POST", "/executors"): OPERATE_SHARED,
    ("PUT", "/executors/{executor}"): OPERATE_SHARED,
    ("PATCH", "/executors/{executor}"): OPERATE_SHARED,
    ("DELETE", "/executors/{executor}"): OPERATE_SHARED,
    # A worker of an executor runs the tasks of all keys.
    ("POST", "/executors/{executor}/lease"): OPERATE_SHARED,
    ("POST", "/tasks/{id}/heartbeat"): OPERATE_SHARED,
    ("PUT", "/tasks/{id}/status"): OPERATE_SHARED,
    ("GET", "/hosts"): READ_SHARED,
    ("GET", "/hosts/{host}"): READ_SHARED,
    ("POST", "/hosts/{host}/reset"): OPERATE_SHARED,
    ("GET", "/hosts/{pattern}/limit"): READ_SHARED,
    ("PUT", "/hosts/{pattern}/limit"): OPERATE_SHARED,
    ("PATCH", "/hosts/{pattern}/limit"): OPERATE_SHARED,
    ("DELETE", "/hosts/{pattern}/limit"): OPERATE_SHARED,
    ("GET", "/pauses"): READ_SHARED,
    ("GET", "/queues"): READ_SHARED,
    ("GET", "/queues/{queue}"): READ_SHARED,
    ("PUT", "/queues/{queue}"): OPERATE_SHARED,
    ("DELETE", "/queues/{queue}"): OPERATE_SHARED,
    ("GET", "/workers"): READ_SHARED,
    ("GET", "/overview"): READ_SHARED,
    ("POST", "/pause"): OPERATE_SHARED,
    ("POST", "/resume"): OPERATE_SHARED,
    ("GET", "/keys"): ADMIN,
    ("POST", "/keys"): ADMIN,
    ("GET", "/keys/{key}"): ADMIN,
    ("POST", "/keys/{key}/revoke"): ADMIN,
    ("POST", "/keys/{key}/rotate"): ADMIN,
    ("PATCH", "/keys/{key}"): ADMIN,
    ("GET", "/access"): ANY_KEY,
    ("POST", "/sessions"): OPEN,
    ("GET", "/sessions"): ANY_KEY,
    ("DELETE", "/sessions/{session}"): ANY_KEY,
    ("GET", "/audit"): ADMIN,
    ("GET", "/settings"): ADMIN,
    ("GET", "/health"): OPEN,
    ("GET", "/livez"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/stats"): MONITOR,
    ("GET", "/stats/history"): MONITOR,
    ("GET", "/metrics"): MONITOR,
    ("GET", "/.well-known/openid-configuration"): OPEN,
    ("GET", "/.well-known/jwks.json"): OPEN,
    ("GET", "/"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/{file}"): OPEN,
    ("GET", "/admin_page.html"): OPEN,
    ("GET", "/console/{path}"): OPEN,
}
