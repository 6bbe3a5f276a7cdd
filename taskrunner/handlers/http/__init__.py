"""The HTTP handler: fetches a task's URL with libcurl, behind the SSRF guard and within the settings."""
