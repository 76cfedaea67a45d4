"""The log of tool calls; why a conversation ended and what its caller brought, each in a column.

Until now `metadata` held the reason only; from now on it is what the conversation was started with.
"""

from alembic import op

from config.migrations.tenancy import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_REASONS = """
alter table conversation add column language text;
alter table conversation add column end_reason text;
update conversation set
    end_reason = case
        when metadata ->> 'end_reason' in (
            'abandoned', 'agent_ended', 'agent_lost', 'caller_left', 'max_duration'
        ) then metadata ->> 'end_reason'
        else 'other'
    end,
    metadata = metadata - 'end_reason'
where metadata ->> 'end_reason' is not null;
"""
_TABLES = """
create table tool_call (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    conversation_id uuid not null,
    call_id uuid not null,
    user_turn_index integer,
    server text not null,
    tool text not null,
    arguments jsonb not null,
    said text not null,
    outcome text not null,
    chosen_by text not null,
    ms float not null,
    primary key (id),
    unique (conversation_id, call_id),
    foreign key (business_id, conversation_id)
        references conversation (business_id, id) on delete cascade
);
"""


def upgrade() -> None:
    """Create the table and the columns."""
    op.execute(_REASONS)
    op.execute(_TABLES)
    protect("tool_call")


def downgrade() -> None:
    """Drop them; the reasons go back to where they were."""
    op.execute("drop table tool_call")
    op.execute(
        "update conversation set metadata = (metadata - 'end_reason')"
        " || jsonb_strip_nulls(jsonb_build_object('end_reason', end_reason))"
    )
    op.execute("alter table conversation drop column end_reason, drop column language")
