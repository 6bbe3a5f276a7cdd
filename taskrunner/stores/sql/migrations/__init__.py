"""The migrations: `env` is what Alembic runs, `versions` has one module per revision."""
