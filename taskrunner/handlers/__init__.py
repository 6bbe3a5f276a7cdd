"""Handlers run a task's attempt in a worker thread and answer with an outcome; `http` is the built-in one."""
