"""Automations at vendors."""

from alembic import op

from config.migrations.tenancy import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLE = """
alter table business_integration add unique (business_id, id);
create table automation (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    description text not null,
    integration_id uuid not null,
    takes jsonb,
    answers boolean not null,
    scenario integer,
    hook jsonb,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name),
    foreign key (business_id, integration_id)
        references business_integration (business_id, id) on delete cascade
);
"""


def upgrade() -> None:
    """Create the table; what refers to an account names its business, too."""
    op.execute(_TABLE)
    protect("automation")


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table automation")
    op.execute(
        "alter table business_integration drop constraint business_integration_business_id_id_key"
    )
