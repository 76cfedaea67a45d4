"""The builtin ticket desk."""

from alembic import op

from config.migrations.tenancy import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
create table ticket_organization (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    notes text,
    primary key (id),
    unique (business_id, name),
    unique (business_id, id)
);
create table ticket_user (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    email text,
    phone text,
    phone_digits text,
    role text not null,
    available boolean not null,
    organization_id uuid,
    words tsvector not null,
    idempotency_key text,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, id),
    unique (business_id, email),
    unique (business_id, idempotency_key),
    foreign key (business_id, organization_id)
        references ticket_organization (business_id, id)
);
create index ix_ticket_user_business_id_phone_digits on ticket_user (business_id, phone_digits);
create index ix_ticket_user_words on ticket_user using gin (words);
create table ticket_counter (
    business_id uuid not null references business (id) on delete cascade,
    last bigint not null,
    primary key (business_id)
);
create table ticket (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    number bigint not null,
    subject text not null,
    text text not null,
    status text not null,
    priority text,
    type text,
    requester_id uuid,
    assignee_id uuid,
    copied jsonb not null,
    tags jsonb not null,
    fields jsonb not null,
    merged_into bigint,
    words tsvector not null,
    idempotency_key text,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, id),
    unique (business_id, number),
    unique (business_id, idempotency_key),
    foreign key (business_id, requester_id) references ticket_user (business_id, id),
    foreign key (business_id, assignee_id) references ticket_user (business_id, id)
);
create index ix_ticket_business_id_updated_at on ticket (business_id, updated_at);
create index ix_ticket_words on ticket using gin (words);
create table ticket_comment (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    ticket_id uuid not null,
    author_id uuid,
    written_by text not null,
    text text not null,
    public boolean not null,
    idempotency_key text,
    primary key (id),
    unique (business_id, idempotency_key),
    foreign key (business_id, ticket_id) references ticket (business_id, id) on delete cascade,
    foreign key (business_id, author_id) references ticket_user (business_id, id)
);
create index ix_ticket_comment_ticket_id on ticket_comment (ticket_id, created_at);
create table ticket_call (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    ticket_id uuid,
    phone text not null,
    direction text not null,
    started_at timestamptz not null,
    seconds integer not null,
    summary text not null,
    idempotency_key text,
    primary key (id),
    unique (business_id, idempotency_key),
    foreign key (business_id, ticket_id) references ticket (business_id, id) on delete cascade
);
"""
_NAMES = (
    *("ticket_organization", "ticket_user", "ticket_counter"),
    *("ticket", "ticket_comment", "ticket_call"),
)


def upgrade() -> None:
    """Create the tables."""
    op.execute(_TABLES)
    for table in _NAMES:
        protect(table)


def downgrade() -> None:
    """Drop them."""
    op.execute(f"drop table {', '.join(reversed(_NAMES))}")
