"""The HTTP route that each method corresponds to: it gives the method its scopes and its name in the audit.

A method that is not in this table cannot be served.
"""

from collections.abc import Mapping

Route = tuple[str, str]

METHODS: Mapping[str, Route] = {
    "taskrunner.v1.TaskExecutorManager.AddTask": ("POST", "/tasks"),
    "taskrunner.v1.TaskExecutorManager.AddTasks": ("POST", "/tasks/batch"),
    "taskrunner.v1.TaskExecutorManager.GetTask": ("GET", "/tasks/{id}"),
    "taskrunner.v1.TaskExecutorManager.GetTaskStatus": ("GET", "/tasks/{id}"),
    "taskrunner.v1.TaskExecutorManager.ListTasks": ("GET", "/tasks"),
    "taskrunner.v1.TaskExecutorManager.CancelTask": ("POST", "/tasks/{id}/cancel"),
    "taskrunner.v1.TaskExecutorManager.WatchTask": ("GET", "/tasks/{id}/events"),
    "taskrunner.v1.TaskExecutorManager.CreateExecutor": ("POST", "/executors"),
    "taskrunner.v1.TaskExecutorManager.GetExecutor": ("GET", "/executors/{executor}"),
    "taskrunner.v1.TaskExecutorManager.ListExecutors": ("GET", "/executors"),
    "taskrunner.v1.TaskExecutorManager.UpdateExecutor": ("PATCH", "/executors/{executor}"),
    "taskrunner.v1.TaskExecutorManager.DeleteExecutor": ("DELETE", "/executors/{executor}"),
    "taskrunner.v1.TaskExecutor.RegisterWorker": ("POST", "/executors/{executor}/lease"),
    "taskrunner.v1.TaskExecutor.GetNextTasks": ("POST", "/executors/{executor}/lease"),
    "taskrunner.v1.TaskExecutor.StreamTasks": ("POST", "/executors/{executor}/lease"),
    "taskrunner.v1.TaskExecutor.Heartbeat": ("POST", "/tasks/{id}/heartbeat"),
    "taskrunner.v1.TaskExecutor.UpdateTaskStatus": ("PUT", "/tasks/{id}/status"),
    "taskrunner.v1.TaskExecutor.CompleteTask": ("PUT", "/tasks/{id}/status"),
    "taskrunner.v1.TaskExecutor.FailTask": ("PUT", "/tasks/{id}/status"),
}
