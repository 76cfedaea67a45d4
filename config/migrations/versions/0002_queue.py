"""The queue: procrastinate's tables, functions and triggers.

They belong to no tenant and carry no row-level security, as one worker serves every business. The
application's role may use them, and owns nothing of them either. procrastinate keeps each step of
its schema as a file of its own; those up to `_LAST` are applied here, later ones by a later
revision, so that this one means the same whichever version is installed.
"""

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from config.migrations.tenancy import READ_WRITE, app_role

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LAST = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
_TABLES = (
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_jobs",
    "procrastinate_workers",
)
_FUNCTIONS = """
select oid::regprocedure::text from pg_proc
where pronamespace = 'public'::regnamespace and starts_with(proname, 'procrastinate_')
"""
_TYPES = """
select oid::regtype::text from pg_type
where typnamespace = 'public'::regnamespace and starts_with(typname, 'procrastinate_')
"""
_LOOKUP = """
create function every_business() returns setof uuid
language sql stable security definer set search_path = public, pg_temp as $$
    select id from business order by id
$$;
"""
_INDEX = """
create index ix_conversation_active on conversation (business_id, updated_at)
where status = 'active'
"""


def upgrade() -> None:
    """Create the queue, and what sweeps over every business need."""
    bind = op.get_bind()
    for step in sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql")):
        if step.name <= _LAST:
            # Without parameters, a percent sign is only a percent sign.
            plain = {"no_parameters": True}
            bind.exec_driver_sql(step.read_text(encoding="utf-8"), execution_options=plain)
    for table in _TABLES:
        op.execute(f"grant {READ_WRITE} on {table} to {app_role()}")
    for table in ("events", "periodic_defers", "jobs", "workers"):
        op.execute(f"grant usage on sequence procrastinate_{table}_id_seq to {app_role()}")
    op.execute(_LOOKUP)
    for function in ("every_business()", *_named(_FUNCTIONS)):
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {app_role()}")
    op.execute(_INDEX)


def downgrade() -> None:
    """Drop the queue, with every job in it."""
    op.execute("drop index ix_conversation_active")
    op.execute("drop function every_business")
    for table in _TABLES:
        op.execute(f"drop table {table} cascade")
    for function in _named(_FUNCTIONS):
        op.execute(f"drop function {function} cascade")
    for kind in _named(_TYPES):
        op.execute(f"drop type {kind}")


def _named(query: str) -> list[str]:
    return list(op.get_bind().scalars(text(query)))
