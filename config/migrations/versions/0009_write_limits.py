"""How many changes a bot may make unasked in a call, and in a minute."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the settings, with their defaults for the bots that there are."""
    op.execute("alter table agent_config add column max_call_writes integer not null default 50")
    op.execute("alter table agent_config alter column max_call_writes drop default")
    op.execute("alter table agent_config add column max_minute_writes integer not null default 120")
    op.execute("alter table agent_config alter column max_minute_writes drop default")


def downgrade() -> None:
    """Drop the settings."""
    op.execute("alter table agent_config drop column max_call_writes")
    op.execute("alter table agent_config drop column max_minute_writes")
