"""Creates or corrects the database and the two roles that Antiphon expects."""

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier, Literal

DATABASE = "antiphon"
OWNER = "antiphon_owner"
APP = "antiphon_app"
SUPERUSER = "postgres"

_ATTRIBUTES = SQL("login nosuperuser nobypassrls nocreatedb nocreaterole noreplication")


async def provision(port: int, passwords: dict[str, str]) -> None:
    """Create or correct database, roles and extension on the server at `port`; repeatable."""
    async with await _superuser(port, passwords, SUPERUSER) as connection:
        for role in (OWNER, APP):
            await _role(connection, role, passwords[role])
        if not await _exists(connection, "pg_database", "datname", DATABASE):
            await connection.execute(
                SQL("create database {} owner {}").format(Identifier(DATABASE), Identifier(OWNER))
            )
        for statement in (
            SQL("revoke all on database {database} from public"),
            SQL("grant connect on database {database} to {app}"),
        ):
            await connection.execute(
                statement.format(database=Identifier(DATABASE), app=Identifier(APP))
            )
    async with await _superuser(port, passwords, DATABASE) as connection:
        await connection.execute("create extension if not exists vector")
        await connection.execute(SQL("alter schema public owner to {}").format(Identifier(OWNER)))
        await connection.execute(SQL("grant usage on schema public to {}").format(Identifier(APP)))


async def _superuser(port: int, passwords: dict[str, str], database: str) -> AsyncConnection:
    return await AsyncConnection.connect(
        host="127.0.0.1",
        port=port,
        user=SUPERUSER,
        password=passwords[SUPERUSER],
        dbname=database,
        autocommit=True,  # `create database` runs in no transaction
    )


async def _role(connection: AsyncConnection, name: str, password: str) -> None:
    # The SCRAM verifier, not the password: a failed statement is written to the server's log.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    verb = "alter" if await _exists(connection, "pg_roles", "rolname", name) else "create"
    await connection.execute(
        SQL("{} role {} {} password {}").format(
            SQL(verb), Identifier(name), _ATTRIBUTES, Literal(verifier)
        )
    )


async def _exists(connection: AsyncConnection, catalogue: str, column: str, name: str) -> bool:
    cursor = await connection.execute(
        SQL("select 1 from {} where {} = %s").format(Identifier(catalogue), Identifier(column)),
        [name],
    )
    return await cursor.fetchone() is not None
