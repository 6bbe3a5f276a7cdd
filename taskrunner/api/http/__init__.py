"""HTTP itself: connections, requests, responses, problems; nothing of tasks."""
