"""Generates the secrets of a deployment, and writes lines of `.env` for compose.yaml."""

import secrets

from config.security.encryption import Keyring
from config.security.tokens import Signer


def generate_secrets() -> dict[str, str]:
    """Return new values for all secrets of a deployment, by environment variable."""
    signer = Signer.generate()
    databases = ("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD")
    passwords = (*databases, "VALKEY_PASSWORD")
    return {
        "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
        "VAULT_KEYS": Keyring.new_key("k1"),
        "LIVEKIT_API_KEY": f"API{secrets.token_hex(6)}",
        "LIVEKIT_API_SECRET": secrets.token_urlsafe(32),
        # They are parts of URLs, so they contain no character that needs quoting there.
        **{name: secrets.token_urlsafe(24) for name in passwords},
    }


def env_line(name: str, value: str) -> str:
    """Return one line of `.env`."""
    # In quotes, both Compose and Antiphon read `\n` as a line break.
    escaped = value.replace("\n", "\\n")
    return f'{name}="{escaped}"'
