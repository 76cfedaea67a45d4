"""Webhooks that came in: whose they are, and which of them were taken already."""

from alembic import op

from config.migrations.tenancy import app_role, protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = """
create table webhook_event (
    business_id uuid not null references business (id) on delete cascade,
    integration_id uuid not null,
    event text not null,
    created_at timestamptz default now() not null,
    primary key (business_id, integration_id, event)
);
create index ix_webhook_event_created_at on webhook_event (business_id, created_at);
"""
_LOOKUP = """
create function find_integration(integration uuid) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
    select business_id from business_integration where id = integration
$$;
"""


def upgrade() -> None:
    """Create the table, and the way from an integration to its business."""
    op.execute(_TABLES)
    protect("webhook_event")
    op.execute(_LOOKUP)
    op.execute("revoke all on function find_integration(uuid) from public")
    op.execute(f"grant execute on function find_integration(uuid) to {app_role()}")


def downgrade() -> None:
    """Drop both."""
    op.execute("drop function find_integration")
    op.execute("drop table webhook_event")
