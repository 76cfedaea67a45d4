"""The containers are the constellation: same processes, known variables, nothing open to others."""

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml
from dotenv import dotenv_values
from typer.testing import CliRunner

from config.constellation import constellation, load_object
from config.security.tokens import Claims, Signer, Verifier
from config.settings import Settings, settings_variables
from orchestrator.cli.app import app
from orchestrator.local.secrets import env_line, generate_secrets

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENGINES = {"postgres", "valkey", "livekit"}
OURS = sorted(SERVICES.keys() - ENGINES)
SERVERS = sorted(constellation().servers)
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
_GIVEN = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")
_OF_ENGINES = {"LIVEKIT_KEYS", "LIVEKIT_CONFIG", "REDISCLI_AUTH"}


def variables() -> set[str]:
    """Return what `.env.example` explains, the lines that only compose.yaml reads among it."""
    text = (ROOT / ".env.example").read_text("utf-8")
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]*)=", text, re.M))


def environment(service: str, secrets: dict[str, str]) -> dict[str, str]:
    """Return what a container is told, as Compose would."""

    def value(match: re.Match[str]) -> str:
        name, rule, default = match.groups()
        assert rule == ":-" or name in secrets, f"{name} is asked for, and nobody makes it"
        return secrets.get(name, default or "")

    told = SERVICES[service].get("environment", {}).items()
    return {name: _GIVEN.sub(value, text) for name, text in told if text is not None}


def settings(service: str, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]) -> Settings:
    """Return the settings that a process reads in its container."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    for name, text in environment(service, secrets).items():
        monkeypatch.setenv(name, text)
    return Settings()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without `.env`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def secrets() -> dict[str, str]:
    return generate_secrets()


def test_the_services_are_the_processes_and_the_engines() -> None:
    processes = constellation().processes
    assert SERVICES.keys() == processes.keys() | ENGINES | {"migrate"}
    for name, command in processes.items():
        assert ["antiphon", *SERVICES[name]["command"]] == shlex.split(command)


def test_one_image_of_this_version_serves_all_of_ours() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"antiphon:{version}"}


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.M))
    images += [name for name in re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) if name not in stages]
    for image in images:
        name, _, tag = image.partition(":")
        assert re.search(r"\d", tag), f"{name} has no version"


def test_everything_is_published_on_loopback_only() -> None:
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert {name for name, published in ports.items() if published} == {"api", "livekit"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert {port.split(":")[1] for port in ports["api"]} == {"8080"}


def test_every_variable_is_one_that_is_explained() -> None:
    known = variables()
    named = {name for service in SERVICES.values() for name in service.get("environment", {})}
    asked = {match[1] for match in _GIVEN.finditer((ROOT / "compose.yaml").read_text("utf-8"))}
    assert named - _OF_ENGINES <= known
    assert asked <= known
    in_image = re.findall(r"^    (\w+)=\S+", DOCKERFILE.partition("libgomp1")[2], re.M)
    assert set(in_image) - {"PYTHONUNBUFFERED"} <= known


def test_every_process_can_read_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> None:
    for name in OURS:
        settings(name, monkeypatch, secrets)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_answers_to_the_name_by_which_it_is_reached(
    server: str, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> None:
    told = settings(server, monkeypatch, secrets)
    for caller in ("api", "worker"):
        address = urlsplit(settings(caller, monkeypatch, secrets).mcp_server_url(server))
        assert (address.hostname, address.port) == (server, told.mcp_port)
        assert address.path == f"/{server}/mcp"
    assert told.mcp_host == settings("api", monkeypatch, secrets).api_host == "0.0.0.0"
    assert told.mcp_allowed_hosts == [server]


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_can_verify_tokens_but_not_sign_them(
    server: str, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> None:
    told = settings(server, monkeypatch, secrets)
    api = settings("api", monkeypatch, secrets)
    assert told.service_token_private_key is None
    assert told.livekit_api_secret is None
    assert told.service_token_public_key
    assert api.service_token_private_key
    claims = Claims(sub="test", business_id=uuid4())
    token = Signer(api.service_token_private_key.get_secret_value()).mint("mcp:x", claims)
    assert Verifier(told.service_token_public_key, "mcp:x").verify(token) == claims


_RECORDS = {"DATABASE_URL", "REDIS_URL"}
_ROOMS = {"LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}
_MODELS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"}
_SPEECH = {"DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY", "SARVAM_API_KEY"}
_SIGNS = {"SERVICE_TOKEN_PRIVATE_KEY"}
_PASSWORDS = {"POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD"}
_HAS_VENDORS = {
    name
    for name in SERVERS
    if load_object(constellation().servers[name]).providers.keys() - {"builtin"}
}
_EMBEDS = {"knowledge"}

# The secrets that each container holds, and no other one.
HOLDS: Mapping[str, set[str]] = {
    "postgres": _PASSWORDS,
    "valkey": {"REDISCLI_AUTH"},
    "livekit": {"LIVEKIT_KEYS"},
    "migrate": {"DATABASE_URL", "MIGRATION_DATABASE_URL"},
    "api": _RECORDS | _ROOMS | _SIGNS | {"VAULT_KEYS"},
    "worker": _RECORDS | _ROOMS | _SIGNS | {"VAULT_KEYS"} | _MODELS | _SPEECH,
    "jobs": _RECORDS | _ROOMS | _SIGNS | {"VAULT_KEYS"} | _MODELS,
    "models": set(),
    **{
        name: _RECORDS
        | ({"VAULT_KEYS"} if name in _HAS_VENDORS else set[str]())
        | (_MODELS if name in _EMBEDS else set[str]())
        for name in SERVERS
    },
}
SECRETS = {
    *(name for name, secret in settings_variables().items() if secret),
    *_PASSWORDS,
    *("VALKEY_PASSWORD", "REDISCLI_AUTH", "LIVEKIT_KEYS"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_holds_the_secrets_that_it_needs(service: str) -> None:
    assert SERVICES[service].get("environment", {}).keys() & SECRETS == HOLDS[service]
    assert "env_file" not in SERVICES[service]


def test_the_migration_does_not_know_the_application_s_password(secrets: dict[str, str]) -> None:
    told = environment("migrate", secrets)["DATABASE_URL"]
    assert urlsplit(told).username == "antiphon_app"
    assert urlsplit(told).password is None


def test_the_cache_is_reached_with_its_password_only(secrets: dict[str, str]) -> None:
    for name in OURS:
        url = environment(name, secrets).get("REDIS_URL")
        assert url is None or urlsplit(url).password == secrets["VALKEY_PASSWORD"]
    assert SERVICES["valkey"]["command"][1] == SERVICES["valkey"]["configs"][0]["target"]
    assert "requirepass ${VALKEY_PASSWORD:?}" in COMPOSE["configs"]["valkey"]["content"]
    assert "PASSWORD" not in str(SERVICES["valkey"]["command"])  # everybody sees arguments


def test_only_the_migration_is_the_schema_s_owner(
    monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> None:
    owners = {name for name in OURS if settings(name, monkeypatch, secrets).migration_database_url}
    assert owners == {"migrate"}


def test_the_models_share_the_worker_s_loopback(
    monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> None:
    models = settings("models", monkeypatch, secrets)
    assert SERVICES["models"]["network_mode"] == "service:worker"
    assert models.models_host == "127.0.0.1"
    reached = settings("worker", monkeypatch, secrets).models_url
    assert reached == f"http://127.0.0.1:{models.models_port}/v1"


def test_the_secrets_survive_their_way_through_a_file(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("\n".join(env_line(name, value) for name, value in secrets.items()))
    assert dotenv_values(file) == secrets
    printed = CliRunner().invoke(app, ["keys", "service"]).stdout
    file.write_text(printed)
    assert dotenv_values(file).keys() == secrets.keys()
    assert not set(dotenv_values(file).values()) & set(secrets.values())


def test_the_image_is_made_of_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    sources = [name for line in copied for name in line.split()]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert sources
    for name in sources:
        assert (ROOT / name).exists()
        assert f"!{name.split('/')[0]}" in ignored
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(re.findall(r"--extra ([\w-]+)", DOCKERFILE)) <= extras.keys()
    assert re.search(r"^USER (?!root)\w+", DOCKERFILE, re.M)
    assert 'ENTRYPOINT ["antiphon"]' in DOCKERFILE


def test_compose_itself_reads_it(secrets: dict[str, str], tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("there is no `docker compose` here")
    file = tmp_path / ".env"
    file.write_text("\n".join(env_line(name, value) for name, value in secrets.items()))
    command = [docker, "compose", "--env-file", str(file), "config", "--format", "json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
