"""Keys: API keys, sessions of the console, and the audit."""
