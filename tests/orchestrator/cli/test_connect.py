"""`antiphon connect`: what each client is told, and what becomes of the file that it reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from config.settings import Settings
from orchestrator.cli import connect, mcp_client_configs
from orchestrator.cli.app import app

KEY = "ak_canary"
PROJECT_FILES = {
    "claude-code": Path(".mcp.json"),
    "cursor": Path(".cursor/mcp.json"),
    "vscode": Path(".vscode/mcp.json"),
}
Connects = Callable[..., Result]


@pytest.fixture
def desktop_file(tmp_path: Path) -> Path:
    """Where Claude Desktop's configuration is."""
    return tmp_path / "own" / "Claude" / "claude_desktop_config.json"


@pytest.fixture
def run(tmp_path: Path, desktop_file: Path, monkeypatch: pytest.MonkeyPatch) -> Connects:
    """Run `antiphon connect` in an empty project."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setattr("sys.platform", "linux")
    own = Settings(api_port=1234, public_url=None)
    monkeypatch.setattr(connect, "settings", lambda: own)
    return lambda *arguments: CliRunner(env={"COLUMNS": "250"}).invoke(app, ["connect", *arguments])


def printed(result: Result) -> Any:
    """Return the configuration that was printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_claude_code_reads_the_key_from_a_variable(run: Connects) -> None:
    shown = run("claude-code")
    assert printed(shown) == {
        "mcpServers": {
            "antiphon": {
                "type": "http",
                "url": "http://127.0.0.1:1234/mcp",
                "headers": {"Authorization": "Bearer ${ANTIPHON_KEY}"},
            }
        }
    }
    assert (
        "claude mcp add --transport http antiphon http://127.0.0.1:1234/mcp "
        '--header "Authorization: Bearer ${ANTIPHON_KEY}"' in shown.stderr
    )


def test_cursor_reads_the_key_from_a_variable(run: Connects) -> None:
    assert printed(run("cursor", "--key", "ACME_KEY")) == {
        "mcpServers": {
            "antiphon": {
                "url": "http://127.0.0.1:1234/mcp",
                "headers": {"Authorization": "Bearer ${env:ACME_KEY}"},
            }
        }
    }


def test_vs_code_asks_for_the_key(run: Connects) -> None:
    shown = printed(run("vscode"))
    (asked,) = shown["inputs"]
    assert (asked["type"], asked["password"]) == ("promptString", True)
    entry = shown["servers"]["antiphon"]
    assert entry["type"] == "http"
    assert entry["headers"] == {"Authorization": f"Bearer ${{input:{asked['id']}}}"}


def test_claude_desktop_runs_mcp_remote(run: Connects) -> None:
    entry = printed(run("claude-desktop", "--key", KEY))["mcpServers"]["antiphon"]
    assert (entry["command"], entry["args"][:3]) == (
        "npx",
        ["-y", "mcp-remote", "http://127.0.0.1:1234/mcp"],
    )
    assert entry["args"][-2:] == ["--header", "Authorization:${ANTIPHON_AUTHORIZATION}"]
    assert entry["env"] == {"ANTIPHON_AUTHORIZATION": f"Bearer {KEY}"}
    assert not any(" " in argument for argument in entry["args"])


@pytest.mark.parametrize(
    ("arguments", "name", "url"),
    [
        ((), "antiphon", "http://127.0.0.1:1234/mcp"),
        (("--url", "https://v.example/"), "antiphon", "https://v.example/mcp"),
        (("--url", "https://v.example/a/mcp"), "antiphon", "https://v.example/a/mcp"),
        (("--server", "knowledge"), "antiphon-knowledge", "http://127.0.0.1:1234/knowledge/mcp"),
        (("--business", "acme"), "antiphon-acme", "http://127.0.0.1:1234/mcp"),
        (("--bot", "a b"), "antiphon", "http://127.0.0.1:1234/mcp?bot=a+b"),
    ],
)
def test_an_entry_has_a_name_and_an_address(
    run: Connects, arguments: tuple[str, ...], name: str, url: str
) -> None:
    servers = printed(run("cursor", *arguments))["mcpServers"]
    assert {each: entry["url"] for each, entry in servers.items()} == {name: url}


def test_the_public_address_is_the_default(run: Connects, monkeypatch: pytest.MonkeyPatch) -> None:
    public = Settings(public_url="https://voice.example")
    monkeypatch.setattr(connect, "settings", lambda: public)
    assert printed(run("cursor"))["mcpServers"]["antiphon"]["url"] == "https://voice.example/mcp"


@pytest.mark.parametrize("client", PROJECT_FILES)
def test_nothing_that_is_there_is_lost(run: Connects, client: str) -> None:
    path = PROJECT_FILES[client]
    path.parent.mkdir(exist_ok=True)
    part = "servers" if client == "vscode" else "mcpServers"
    mine: dict[str, Any] = {part: {"other": {"command": "x"}}, "mine": [1, "é"]}
    if client == "vscode":
        mine["inputs"] = [{"id": "other", "type": "promptString"}]
    text = json.dumps(mine)
    path.write_text(text, encoding="utf-8")
    for _ in range(2):
        assert run(client, "--write").exit_code == 0
    added = printed(run(client))
    after = json.loads(path.read_text("utf-8"))
    assert after[part] == {"other": {"command": "x"}, **added[part]}
    assert after["mine"] == [1, "é"]
    if client == "vscode":
        assert after["inputs"] == [*mine["inputs"], *added["inputs"]]
    (backup,) = path.parent.glob("*.bak*")
    assert backup.read_text("utf-8") == text


def test_a_changed_entry_is_replaced_and_each_backup_kept(run: Connects) -> None:
    run("cursor", "--write")
    for port in (1, 2):
        run("cursor", "--write", "--url", f"http://127.0.0.1:{port}")
    servers = json.loads(PROJECT_FILES["cursor"].read_text("utf-8"))["mcpServers"]
    assert servers["antiphon"]["url"] == "http://127.0.0.1:2/mcp"
    assert len(list(Path(".cursor").iterdir())) == 3


@pytest.mark.parametrize("client", PROJECT_FILES)
def test_a_key_stands_in_no_file_of_a_project(run: Connects, client: str) -> None:
    refused = run(client, "--write", "--key", KEY)
    assert refused.exit_code == 1
    assert "--key ANTIPHON_KEY" in " ".join(refused.stderr.split())
    assert not PROJECT_FILES[client].exists()
    assert KEY not in run(client, "--key", KEY).stdout


def test_claude_desktop_s_file_holds_the_key_for_its_user_only(
    run: Connects, desktop_file: Path
) -> None:
    refused = run("claude-desktop", "--write")
    assert (refused.exit_code, "--key ak_" in refused.stderr) == (1, True)
    assert run("claude-desktop", "--write", "--key", KEY).exit_code == 0
    assert KEY in desktop_file.read_text("utf-8")
    assert desktop_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("platform", "place"),
    [("darwin", "Library/Application Support/Claude"), ("win32", "Claude"), ("linux", "Claude")],
)
def test_claude_desktop_keeps_its_file_where_the_system_wants_it(
    platform: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    path = mcp_client_configs.CLIENTS["claude-desktop"].path()
    assert path.is_absolute()
    assert path.parent.as_posix().endswith(place)


@pytest.mark.parametrize("text", ["// mine\n{}", "[]", '{"mcpServers": []}', "{"])
def test_a_file_that_we_do_not_understand_is_left_alone(run: Connects, text: str) -> None:
    PROJECT_FILES["claude-code"].write_text(text)
    refused = run("claude-code", "--write")
    assert refused.exit_code == 1
    assert "without --write" in " ".join(refused.stderr.split())
    assert [path.name for path in Path().iterdir()] == [".mcp.json"]
    assert PROJECT_FILES["claude-code"].read_text() == text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("emacs",), "claude-desktop"),
        (("cursor", "--url", "voice.example"), "https://voice.example.com"),
        (("cursor", "--url", "ftp://voice.example"), "https://voice.example.com"),
        (("cursor", "--key", "not a name"), "ANTIPHON_KEY"),
    ],
)
def test_a_mistake_is_said_with_what_helps(
    run: Connects, arguments: tuple[str, ...], says: str
) -> None:
    refused = run(*arguments)
    assert refused.exit_code != 0
    assert says in " ".join(refused.stderr.split())


def test_what_may_go_wrong_is_said(run: Connects) -> None:
    shown = run("claude-desktop", "--url", "http://voice.example", "--server", "tracker")
    assert "not encrypted" in shown.stderr
    assert "one that the business has added" in shown.stderr
    assert "--allow-http" in printed(shown)["mcpServers"]["antiphon-tracker"]["args"]
