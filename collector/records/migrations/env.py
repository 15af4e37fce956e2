"""Runs migrations over the connection that `upgrading.py` hands over."""

from __future__ import annotations

from alembic import context

if __name__ == "env_py":  # as Alembic calls it; who only imports it runs nothing
    context.configure(
        connection=context.config.attributes["connection"],
        version_table="records_revision",
    )
    with context.begin_transaction():
        context.run_migrations()
