import hashlib
import os
import sys
from pathlib import Path

import pytest

from orchestrator.embedded.weights import (
    Bundle,
    JoinedFile,
    WeightsError,
    bundle_folder,
    join_parts,
    require_package,
    require_path,
)

HALVES = (b"first half, ", b"second half")
WHOLE = b"".join(HALVES)
DIGEST = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, and a cache of its own."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    return folder


def install(site: Path, package: str, name: str, data: bytes) -> Path:
    file = site / package / "data" / name
    file.parent.mkdir(parents=True)
    (site / package / "__init__.py").write_text("raise RuntimeError('this code must not run')")
    file.write_bytes(data)
    return file


def two_parts(*, size: int = len(WHOLE), digest: str = DIGEST) -> JoinedFile:
    parts = (("weights_part1", "data/part01.bin"), ("weights_part2", "data/part02.bin"))
    return JoinedFile("whole.gguf", parts, "offline-llm", size, digest)


@pytest.fixture
def installed_parts(site: Path) -> list[Path]:
    return [
        install(site, f"weights_part{n}", f"part{n:02}.bin", half)
        for n, half in enumerate(HALVES, 1)
    ]


def test_parts_are_joined_once(installed_parts: list[Path]) -> None:
    path = join_parts(two_parts())
    assert path.read_bytes() == WHOLE
    for part in installed_parts:
        part.unlink()
    assert join_parts(two_parts()) == path


def test_parts_with_a_wrong_digest_are_refused(installed_parts: list[Path], tmp_path: Path) -> None:
    installed_parts[1].write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"sha256 differs.*--extra offline-llm"):
        join_parts(two_parts())
    assert not list((tmp_path / "cache").rglob("*.gguf"))
    assert not list((tmp_path / "cache").rglob("*.unfinished"))


def test_a_joined_file_that_changed_is_noticed(installed_parts: list[Path]) -> None:
    path = join_parts(two_parts())
    status = path.stat()
    path.write_bytes(WHOLE[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(WeightsError, match="sha256 differs"):
        join_parts(two_parts())


@pytest.mark.usefixtures("installed_parts")
def test_too_small_a_disk_says_what_is_needed() -> None:
    with pytest.raises(WeightsError, match=r"needs 1000000000\.0 GB.*ANTIPHON_CACHE"):
        join_parts(two_parts(size=10**18))


@pytest.mark.usefixtures("site")
def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(WeightsError, match=r"weights-part1 .*uv sync --extra offline-llm"):
        join_parts(two_parts())


def test_a_bundle_is_found_without_running_its_code(site: Path) -> None:
    file = install(site, "some_voice", "voice.onnx", WHOLE)
    bundle = Bundle("some_voice", "data", "offline", {"voice.onnx": DIGEST})
    assert bundle_folder(bundle) == file.parent
    assert bundle_folder(bundle) == file.parent


def test_a_bundle_that_changed_after_it_was_checked_is_refused(site: Path) -> None:
    file = install(site, "some_voice", "voice.onnx", WHOLE)
    bundle = Bundle("some_voice", "data", "offline", {"voice.onnx": DIGEST})
    bundle_folder(bundle)
    file.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="sha256 differs"):
        bundle_folder(bundle)


def test_a_bundle_without_its_file_is_refused(site: Path) -> None:
    install(site, "some_voice", "other.onnx", WHOLE)
    with pytest.raises(WeightsError, match=r"voice\.onnx is missing"):
        bundle_folder(Bundle("some_voice", "data", "offline", {"voice.onnx": DIGEST}))


def test_a_configured_path_must_exist(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        require_path(tmp_path / "absent.gguf")


def test_a_plain_module_is_no_package_of_weights(site: Path) -> None:
    (site / "only_a_module.py").write_text("")
    with pytest.raises(WeightsError, match="only-a-module is not installed"):
        require_package("only_a_module", "offline")
