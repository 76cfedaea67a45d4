"""Row-level security for a table: each transaction sees one business, the owner's policy aside.

`using (business_id = (select …))` would hide the tenant from the planner and spoil vector search,
so the setting is read inline.
"""

from alembic import context, op

READ_WRITE = "select, insert, update, delete"
APPEND = "select, insert"


def app_role() -> str:
    """Return the quoted name of the role that the application connects as."""
    return str(context.config.attributes["app_role"])


def protect(table: str, *, column: str = "business_id", rights: str = READ_WRITE) -> None:
    """Show the application only one business's rows of `table`, and force that on its owner."""
    mine = f"{column} = nullif(current_setting('app.business', true), '')::uuid"
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"create policy tenant on {table} to {app_role()} using ({mine}) with check ({mine})"
    )
    op.execute(f"create policy owner on {table} to current_user using (true) with check (true)")
    op.execute(f"grant {rights} on {table} to {app_role()}")
