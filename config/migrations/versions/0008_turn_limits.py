"""How long a bot may work on one turn, and how many changes it may make in it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the settings, with their defaults for the bots that there are."""
    op.execute("alter table agent_config add column max_turn_seconds float not null default 60")
    op.execute("alter table agent_config alter column max_turn_seconds drop default")
    op.execute("alter table agent_config add column max_turn_writes integer not null default 20")
    op.execute("alter table agent_config alter column max_turn_writes drop default")


def downgrade() -> None:
    """Drop the settings."""
    op.execute("alter table agent_config drop column max_turn_seconds")
    op.execute("alter table agent_config drop column max_turn_writes")
