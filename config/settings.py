"""Each process's environment, typed. No other module reads the environment or `.env`."""

import os
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values, load_dotenv
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.errors import UserError

# A process that `antiphon up` starts has all that it may know in its environment, and no file.
_ENV_FILE = os.environ.get("ANTIPHON_ENV_FILE", ".env") or None

_SYSTEM_VARIABLES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("ANTIPHON_CACHE", "ANTIPHON_STATE", "ANTIPHON_ENV_FILE"),
    )
)
# Of locales, Python and its environments, libraries, caches, threads, and certificates.
_SYSTEM_PREFIXES = ("LC_", "PYTHON", "VIRTUAL_ENV", "LD_", "DYLD_", "XDG_", "OMP_", "SSL_CERT_")


LANGUAGE_MODEL_KEYS = frozenset(
    ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY")
)
SPEECH_KEYS = frozenset(("DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY", "SARVAM_API_KEY"))

LlmEngine = Literal["auto", "openvino", "llama.cpp"]


class Settings(BaseSettings):
    """Every variable that Antiphon reads; `.env.example` explains each one."""

    model_config = SettingsConfigDict(
        env_file=_ENV_FILE,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    database_url: SecretStr | None = None
    migration_database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    livekit_url: str | None = None
    livekit_public_url: str | None = None
    livekit_api_key: str | None = None
    livekit_api_secret: SecretStr | None = None
    service_token_private_key: SecretStr | None = None
    service_token_public_key: str | None = None
    vault_keys: SecretStr | None = None
    allow_private_hosts: bool = False

    api_host: str = "127.0.0.1"
    api_port: int = 8080
    public_url: str | None = None
    api_writes_per_minute: int = 120
    api_business_writes_per_minute: int = 600
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default_factory=list[IPv4Network | IPv6Network]
    )
    max_connections: int = 4096
    max_connections_per_address: int = 2048
    mcp_host: str = "127.0.0.1"
    mcp_port: int = 8090
    mcp_url: str = "http://127.0.0.1:8090/{server}/mcp"
    mcp_urls: dict[str, str] = Field(default_factory=dict)
    mcp_allowed_hosts: list[str] = Field(default_factory=list)
    mcp_calls_per_minute: int = 1200
    models_host: str = "127.0.0.1"
    models_port: int = 8091
    embedded_models: bool = False
    llm_engine: LlmEngine = "auto"  # of the embedded language model
    models_url: str = "http://127.0.0.1:8091/v1"
    worker_port: int = 8092
    livekit_port: int = 7880
    livekit_media_port: int = 7882
    postgres_port: int = 5433
    valkey_port: int = 6380
    livekit_client: Path | None = None

    agent_name: str = "voice"
    worker_ready_file: Path | None = None
    jobs_ready_file: Path | None = None
    worker_max_calls: int | None = None
    worker_idle_processes: int = 2
    worker_drain_seconds: int = 3600
    call_queue_seconds: int = 60
    call_queue_length: int = 1000
    ice_servers: list[str] = Field(default_factory=list)

    llm_model: str | None = None
    openai_api_key: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    gemini_api_key: SecretStr | None = None
    groq_api_key: SecretStr | None = None
    deepgram_api_key: SecretStr | None = None
    deepgram_base_url: str | None = None
    elevenlabs_api_key: SecretStr | None = None
    elevenlabs_base_url: str | None = None
    sarvam_api_key: SecretStr | None = None
    sarvam_base_url: str | None = None

    cache_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "antiphon",
        validation_alias="ANTIPHON_CACHE",
    )
    state_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "state" / "antiphon",
        validation_alias="ANTIPHON_STATE",
    )
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str | None = None

    @property
    def up_file(self) -> Path:
        """Return where `antiphon up` tells other commands how to reach what it runs."""
        return self.state_dir / "up.env"

    @property
    def models_health_url(self) -> str:
        """Return where the embedded models say how they are."""
        return f"{self.models_url.removesuffix('/v1')}/health"

    def mcp_server_url(self, server: str) -> str:
        """Return where `server` listens."""
        return self.mcp_urls.get(server) or self.mcp_url.format(server=server)


class MissingSettingError(UserError):
    """A process was started without a variable that it needs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not set. `antiphon up` sets everything up on one machine; "
            "`antiphon doctor` says what is missing; .env.example explains every variable."
        )


def required(name: str, value: SecretStr | str | None) -> str:
    """Return the plain value of a variable that this process cannot do without.

    Raises:
        MissingSettingError: it is unset.
    """
    if value is None:
        raise MissingSettingError(name)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@cache
def settings() -> Settings:
    """Return this process's settings, read once."""
    return Settings()


def running_settings() -> Settings:
    """Return the settings that reach what `antiphon up` runs here, else this process's own.

    For commands that look at a running constellation, or change what it has stored.
    """
    load_dotenv(settings().up_file)  # what the environment says already, stays
    return Settings()


def environment() -> dict[str, str]:
    """Return every variable that is set, in the environment or else in `.env`.

    For names that no field of `Settings` can know: those that a declaration refers to, a vendor's
    credentials for a server over stdio, and those of other programs, such as `UV`.
    """
    return {**_env_file(), **{name: value for name, value in os.environ.items() if value}}


def system_environment() -> dict[str, str]:
    """Return what any program needs of this process's environment: no setting, and no secret."""
    return {name: value for name, value in os.environ.items() if is_system_variable(name)}


def is_system_variable(name: str) -> bool:
    """Return whether a variable is one that any program may need."""
    return name in _SYSTEM_VARIABLES or name.startswith(_SYSTEM_PREFIXES)


def build_environment() -> dict[str, str]:
    """Return this process's environment without our settings, for tools that build and install."""
    known = settings_variables()
    return {name: value for name, value in os.environ.items() if name not in known}


def settings_variables() -> dict[str, bool]:
    """Return the names of the variables of `Settings`, each with whether it holds a secret.

    LiveKit's key is no secret by itself, but is of no use to whom may not have its secret.
    """
    return {
        str(field.validation_alias or name).upper(): "SecretStr" in str(field.annotation)
        or name == "livekit_api_key"
        for name, field in Settings.model_fields.items()
    }


def set_library_defaults(**variables: str) -> None:
    """Set variables that a library reads when it is imported, where nobody has set them."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def prepare_litellm() -> None:
    """Put into the environment what litellm reads there. Call this before the first import of it.

    Only litellm knows which variables a model needs, so it gets all that `.env` says, but for the
    settings of Antiphon itself: the database's password and the vault's keys are among those.
    """
    # Else it fetches prices from the network, and reads a `.env` of its own choice.
    set_library_defaults(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_MODE="PRODUCTION")
    ours = settings_variables().keys() - LANGUAGE_MODEL_KEYS
    for name, value in _env_file().items():
        if name.upper() not in ours and not os.environ.get(name):
            os.environ[name] = value


def _env_file() -> dict[str, str]:
    if _ENV_FILE is None:
        return {}
    return {name: value for name, value in dotenv_values(_ENV_FILE).items() if value}
