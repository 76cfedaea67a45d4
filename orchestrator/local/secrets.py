"""New secrets of a deployment, as the lines of `.env` that compose.yaml reads."""

import secrets

from config.security.encryption import Keyring
from config.security.tokens import Signer


def new_secrets() -> dict[str, str]:
    """Return everything that a deployment keeps to itself, newly made."""
    signer = Signer.generate()
    passwords = ("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD")
    return {
        "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
        "VAULT_KEYS": Keyring.new_key("k1"),
        "LIVEKIT_API_KEY": f"API{secrets.token_hex(6)}",
        "LIVEKIT_API_SECRET": secrets.token_urlsafe(32),
        # They stand in URLs, so they hold nothing that would have to be quoted there.
        **{name: secrets.token_urlsafe(24) for name in passwords},
    }


def env_line(name: str, value: str) -> str:
    """Return one line of `.env`."""
    # In quotes, both Compose and Antiphon read these two characters as a new line.
    escaped = value.replace("\n", "\\n")
    return f'{name}="{escaped}"'
