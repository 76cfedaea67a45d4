"""Accounts at vendors, MCP servers of others, and what a key may do."""

from alembic import op

from config.migrations.tenancy import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = """
create table business_integration (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    server text not null,
    integration_type text not null,
    credentials jsonb not null,
    settings jsonb not null,
    enabled boolean not null,
    status text not null,
    scoped_to_bot_ids jsonb,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name)
);
create table mcp_server (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    url text not null,
    transport text not null,
    kind text not null,
    auth jsonb,
    tools jsonb not null,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name)
);
alter table mcp_connection add column denied_tools jsonb not null default '[]';
alter table mcp_connection alter column denied_tools drop default;
alter table api_key
    add column bots jsonb,
    add column servers jsonb,
    add column tools jsonb,
    add column read_only boolean not null default false;
alter table api_key alter column read_only drop default;
"""


def upgrade() -> None:
    """Create the vault and the registry, and give keys their rights."""
    op.execute(_TABLES)
    for table in ("business_integration", "mcp_server"):
        protect(table)


def downgrade() -> None:
    """Drop them."""
    op.execute("drop table business_integration, mcp_server")
    op.execute("alter table mcp_connection drop column denied_tools")
    op.execute(
        "alter table api_key drop column bots, drop column servers, drop column tools, "
        "drop column read_only"
    )
