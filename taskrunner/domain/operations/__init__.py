"""Operations: one action on many tasks."""
