"""The built-in handler: fetches a task's URL with libcurl, within every bound, and says how it ended."""
