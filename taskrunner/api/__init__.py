"""The HTTP faces: the API for tasks, and health and statistics for operators."""
