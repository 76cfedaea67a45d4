"""Upgrades the database schema, as its owner."""

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.pool import NullPool

_LOCK = 4_627_001  # an advisory lock, so that processes that start together migrate one by one


def alembic_config(connection: Connection, app_role: str) -> Config:
    """Return Alembic's configuration for one connection of the owner's."""
    config = Config()
    config.set_main_option("script_location", "config:migrations")
    quoted = '"' + app_role.replace('"', '""') + '"'
    config.attributes.update(connection=connection, app_role=quoted)
    return config


def migrate(owner_url: str, app_url: str) -> None:
    """Upgrade the schema to the newest revision. Blocking: for a command, not for a server."""
    role = make_url(app_url).username
    if role is None or role == make_url(owner_url).username:
        raise ValueError("DATABASE_URL must name a role of its own, which owns nothing.")
    engine = create_engine(owner_url, poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
        command.upgrade(alembic_config(connection, role), "head")
