"""Access: keys, scopes, sessions, limits of keys, and the audit."""
