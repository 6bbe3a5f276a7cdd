"""The revisions of the schema, numbered from 0001. A released one never changes."""
