"""`antiphon new server`: what it writes, what it says, and when it refuses."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.scaffold.files import extend_lists_of_names


def new(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["new", "server", *arguments], env={"COLUMNS": "200"})
    return answer.exit_code, answer.stderr


def files(checkout: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}


def test_a_new_server_has_a_folder_its_tests_and_a_place_everywhere(checkout: Path) -> None:
    code, printed = new("loyalty")
    assert code == 0, printed
    for path in ("server.py", "__main__.py", "registry.py", "providers/builtin.py"):
        assert (checkout / "mcp" / "loyalty" / path).is_file()
    assert (checkout / "tests" / "loyalty" / "test_server.py").is_file()
    constellation = yaml.safe_load((checkout / "config/constellation.yaml").read_text())
    assert constellation["servers"]["loyalty"] == "loyalty.server:SERVER"
    assert constellation["processes"]["loyalty"] == "antiphon mcp loyalty"
    services = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]
    assert services["loyalty"]["command"] == ["mcp", "loyalty"]
    told = services["loyalty"]["environment"].keys()
    # It has no vendor yet, and so no account to open.
    assert told | {"VAULT_KEYS"} == services["crm"]["environment"].keys()
    assert "VAULT_KEYS" not in told
    linter, before = (checkout / ".importlinter").read_text(), "servicenow"
    assert linter.count("loyalty") == linter.count(before)
    assert linter.count("(item_tools)") == linter.count("(ticket_tools)")
    assert "    loyalty\n" in (checkout / "docs/architecture.md").read_text()


def test_it_says_what_to_read_and_what_is_left_to_do(checkout: Path) -> None:
    assert checkout.is_dir()
    _, printed = new("loyalty")
    assert "mcp/toolkit/server/build.py" in printed
    assert "antiphon catalogue --docs docs/servers" in printed
    assert "ANTIPHON_UPDATE_SCHEMAS=1 pytest tests/test_schemas.py" in printed


def test_a_dry_run_writes_nothing(checkout: Path) -> None:
    before = files(checkout)
    code, printed = new("loyalty", "--dry-run")
    assert (code, "+ mcp/loyalty/server.py" in printed) == (0, True)
    assert "~ compose.yaml" in printed
    assert files(checkout) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Loyalty", "lower case letters and digits"),
        ("scheduling", "exists already"),
        ("platform", "is taken"),
        ("mcp", "is taken"),
        ("config", "is taken"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(checkout: Path, name: str, message: str) -> None:
    before = files(checkout)
    code, printed = new(name)
    assert (code, message in printed) == (1, True)
    assert files(checkout) == before


def test_outside_of_a_checkout_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = new("loyalty")
    assert (code, "Run this in a checkout" in printed) == (1, True)


def test_every_list_of_servers_is_extended_and_nothing_else() -> None:
    text = "a =\n    x\n    y\n    z\nb = x\n    x | y\n    x\nc: x | y\n  y\n  x\n"
    assert extend_lists_of_names(text, ["x", "y"], "n") == (
        "a =\n    x\n    y\n    n\n    z\nb = x\n    x | y | n\n    x\nc: x | y\n  y\n  x\n  n\n"
    )
