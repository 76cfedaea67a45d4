"""`mcp/` is a source root beside the SDK of that name, in the repository and in the wheel."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from config.constellation import constellation

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "kb", "config", "toolkit", *constellation().servers)
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_mcp_is_no_package() -> None:
    """With an `__init__.py`, ours would hide the SDK, or the SDK ours, by the folder one is in."""
    assert not (ROOT / "mcp" / "__init__.py").exists()
    assert not (ROOT / "tests" / "mcp").exists()
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("folder", [".", "mcp", "tests"])
def test_the_sdk_is_found_from_everywhere(folder: str) -> None:
    program = "import mcp, toolkit.effects; print(mcp.__file__); print(toolkit.effects.__file__)"
    found = _run(sys.executable, "-c", program, cwd=ROOT / folder)
    assert found.returncode == 0, found.stderr
    sdk, ours = found.stdout.split()
    assert not Path(sdk).is_relative_to(ROOT / "mcp")
    assert Path(ours) == ROOT / "mcp" / "toolkit" / "effects.py"


def test_servers_run_by_their_own_names() -> None:
    found = _run(sys.executable, "-m", "mcp.scheduling", cwd=ROOT)
    assert found.returncode == 1
    assert "No module named mcp.scheduling" in found.stderr
    help_ = _run(sys.executable, "-m", "orchestrator", "mcp", "--help", cwd=ROOT)
    assert help_.returncode == 0, help_.stderr


def test_no_name_of_ours_is_taken() -> None:
    installed = packages_distributions()
    for name in PACKAGES:
        assert set(installed.get(name, [])) <= {"antiphon"}, name
        assert name not in sys.stdlib_module_names


def test_every_package_is_where_it_belongs() -> None:
    homes = {name: ROOT / name for name in ("orchestrator", "kb", "config")}
    homes |= {name: ROOT / "mcp" / name for name in PACKAGES if name not in homes}
    assert all((home / "__init__.py").is_file() for home in homes.values())
    servers = {path.parent.name for path in ROOT.glob("mcp/*/__init__.py")} - {"toolkit"}
    assert servers == set(constellation().servers)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What is in the wheel, by name."""
    uv = shutil.which(os.environ.get("UV", "uv"))
    if uv is None:
        pytest.skip("uv, which builds the wheel, is neither UV nor on PATH")
    folder = tmp_path_factory.mktemp("wheel")
    built = _run(uv, "build", "--wheel", "--out-dir", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "name",
    [
        *(f"{package}/__init__.py" for package in PACKAGES),
        "config/constellation.yaml",
        "config/migrations/env.py",
        "config/migrations/script.py.mako",
        "config/migrations/versions/0001_first_call.py",
        "config/migrations/versions/0003_integrations.py",
        "orchestrator/cli/scaffold/templates/provider/provider.py.txt",
        "config/bots/demo-clinic.yaml",
        "config/bots/demo-clinic/clinic.md",
        "orchestrator/console/package.json",
        "orchestrator/console/package-lock.json",
        "orchestrator/console/static/index.html",
    ],
)
def test_the_wheel_has_what_runs(name: str, wheel: set[str]) -> None:
    assert name in wheel


def test_the_wheel_has_every_source_file(wheel: set[str]) -> None:
    sources = [
        path for name in ("orchestrator", "kb", "config") for path in ROOT.glob(f"{name}/**/*.py")
    ]
    names = {
        path.relative_to(ROOT).as_posix() for path in sources if "node_modules" not in path.parts
    }
    names |= {path.relative_to(ROOT / "mcp").as_posix() for path in ROOT.glob("mcp/*/**/*.py")}
    assert names <= wheel


def test_the_wheel_has_nothing_else(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    unwanted = re.compile(r"__pycache__|node_modules|\.pyc$|(^|/)tests/|(^|/)\.env")
    assert [name for name in wheel if unwanted.search(name)] == []


@pytest.fixture
def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def test_the_contracts_speak_of_every_package(contracts: configparser.ConfigParser) -> None:
    assert set(contracts["importlinter"]["root_packages"].split()) == set(PACKAGES)
    servers = set(constellation().servers)
    layers = contracts["importlinter:contract:layers"]["layers"].strip().splitlines()
    assert set(layers[0].split(" | ")) == servers
    forbidden = contracts["importlinter:contract:orchestrator"]["forbidden_modules"].split()
    assert set(forbidden) == servers | {"toolkit", "kb"}


def test_imports_point_one_way() -> None:
    checked = _run(LINT_IMPORTS, "--no-logo", "--no-cache", cwd=ROOT)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module")
def empty_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contracts and every module of ours, each without a line."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copy(ROOT / ".importlinter", folder)
    sources = [(ROOT, name) for name in ("config", "kb", "orchestrator")]
    sources += [(ROOT / "mcp", name) for name in PACKAGES if (ROOT / "mcp" / name).is_dir()]
    for root, name in sources:
        for file in (root / name).rglob("*.py"):
            module = folder / file.relative_to(root)
            module.parent.mkdir(parents=True, exist_ok=True)
            module.touch()
    return folder


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("config", "kb"),
        ("config", "orchestrator"),
        ("config.migrations", "config.tables"),
        ("config.migrations", "sqlmodel"),
        ("kb", "toolkit"),
        ("toolkit", "scheduling"),
        ("scheduling", "knowledge"),
        ("transcripts", "orchestrator"),
        ("orchestrator", "toolkit"),
        ("orchestrator", "kb"),
        ("orchestrator", "transcripts"),
        ("kb", "httpx"),
        ("orchestrator.agent", "orchestrator.api"),
        ("orchestrator.mcp_client.external", "orchestrator.agent"),
        ("orchestrator.runtime", "orchestrator.mcp_client"),
        ("toolkit.http", "toolkit.tenancy"),
        ("toolkit.middleware", "toolkit.server"),
        ("tickets.providers.jira", "tickets.operations"),
        ("config.security", "config.declarations"),
        ("kb.sources", "kb.sync"),
    ],
)
def test_an_import_that_points_the_other_way_is_found(
    importer: str, imported: str, empty_modules: Path
) -> None:
    planted = empty_modules / importer.replace(".", "/") / "planted.py"
    planted.write_text(f"import {imported}\n")
    path = str(empty_modules)
    checked = _run(LINT_IMPORTS, "--no-logo", "--no-cache", cwd=empty_modules, PYTHONPATH=path)
    planted.unlink()
    assert checked.returncode == 1, checked.stdout
    assert f"{importer}.planted -> {imported}" in checked.stdout
