"""Run by alembic: applies the revisions to the connection that `migrate` hands over."""

from alembic import context

from order_history_service.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
