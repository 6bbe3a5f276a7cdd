"""The HTTP servers: the API for tasks, and health and statistics for operators."""
