"""The records of the builtin CRM."""

from alembic import op

from config.migrations.tenancy import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = """
create table crm_record (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    kind text not null,
    title text not null,
    phone text,
    phone_digits text,
    email text,
    data jsonb not null,
    fields jsonb not null,
    words tsvector not null,
    idempotency_key text,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, idempotency_key)
);
create index ix_crm_record_business_id_kind on crm_record (business_id, kind, created_at);
create index ix_crm_record_business_id_phone_digits on crm_record (business_id, phone_digits);
create index ix_crm_record_words on crm_record using gin (words);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_TABLES)
    protect("crm_record")


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table crm_record")
