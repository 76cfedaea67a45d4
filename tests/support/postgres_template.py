"""A PostgreSQL cluster with the whole schema, made once and copied for each test run.

It lies in the user's cache under a digest of everything that it is made from, so that a changed
migration makes a new one.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from config.migrate import migrate
from orchestrator.engines import postgres as engine
from orchestrator.engines import provision
from orchestrator.engines.files import lock_folder
from orchestrator.engines.ports import Port
from orchestrator.engines.postgres import run_postgres

_ROOT = Path(__file__).parents[2]


def _digest() -> str:
    """Return a digest of the migrations and of what makes a cluster."""
    files = [
        *sorted((_ROOT / "config" / "migrations").rglob("*.py")),
        _ROOT / "config" / "migrate.py",
        Path(engine.__file__),
        Path(provision.__file__),
        _ROOT / "uv.lock",
    ]
    whole = hashlib.sha256(str(os.geteuid()).encode())
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


async def copy_template(cache: Path, folder: Path) -> None:
    """Copy the template to `folder`, for `postgres()` to run on; make it first where there is none.

    Safe for several processes at once: the first makes it, the others wait.
    """
    parent = cache / "tests"
    template = parent / f"postgres-{_digest()}"
    parent.mkdir(parents=True, exist_ok=True)
    async with lock_folder(parent, print):
        if not template.exists():
            await _make(parent, template)
    await asyncio.to_thread(_copy, template, folder)


async def _make(parent: Path, template: Path) -> None:
    await asyncio.to_thread(_remove_templates, parent)
    # PostgreSQL's own system user has to reach the folder, so it is not made in the cache itself.
    with tempfile.TemporaryDirectory(prefix="antiphon-") as made:
        async with run_postgres(
            Path(made), Port(0, "POSTGRES_PORT"), print, durable=False
        ) as server:
            urls = server.migration_database_url, server.database_url
            await asyncio.to_thread(migrate, *urls)
        unfinished = template.with_suffix(f".{os.getpid()}")
        await asyncio.to_thread(_copy, Path(made), unfinished)
    unfinished.rename(template)


def _remove_templates(parent: Path) -> None:
    for old in parent.glob("postgres-*"):
        shutil.rmtree(old, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with the owners and modes of its files."""
    for directory, _, names in os.walk(source):
        here = target / Path(directory).relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        _own(Path(directory), here)
        for name in names:
            shutil.copyfile(Path(directory) / name, here / name)
            _own(Path(directory) / name, here / name)


def _own(source: Path, target: Path) -> None:
    state = source.stat()
    if os.geteuid() == 0:
        os.chown(target, state.st_uid, state.st_gid)
    target.chmod(state.st_mode)
