"""RemoteWorker runs handlers on any machine that reaches a server. The rest of the SDK does without grpc."""

from taskrunner.sdk.remote.connection import Tls
from taskrunner.sdk.remote.worker import RemoteWorker, WorkerRefused

__all__ = ["RemoteWorker", "Tls", "WorkerRefused"]
