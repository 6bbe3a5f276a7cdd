"""Alembic runs this module to apply the migrations, on the connection that `schema.upgrade` hands over."""

from alembic import context

from taskrunner.stores.sql.schema import VERSION_TABLE
from taskrunner.stores.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
