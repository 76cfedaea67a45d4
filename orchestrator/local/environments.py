"""What each process of a deployment is told: all settings, but only the secrets that it needs."""

from collections.abc import Mapping

from config.settings import (
    LANGUAGE_MODEL_KEYS,
    SPEECH_KEYS,
    is_system_variable,
    settings_variables,
)

_RECORDS = frozenset(("DATABASE_URL", "REDIS_URL"))
_ROOMS = frozenset(("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"))
_IDENTITY = frozenset(("SERVICE_TOKEN_PRIVATE_KEY",))  # they sign the tokens that servers verify
_VAULT = frozenset(("VAULT_KEYS",))

# A job process of the worker, which serves a call, has what the worker has, and so has the replay
# of journals, which is a part of the worker. Servers open accounts at vendors, and api, worker and
# jobs the headers of external servers. An engine, and the process of a language model, has none.
SECRETS: Mapping[str, frozenset[str]] = {
    "mcp": _RECORDS | _VAULT | LANGUAGE_MODEL_KEYS,  # knowledge may embed with a provider's model
    "api": _RECORDS | _VAULT | _IDENTITY | _ROOMS,
    "worker": _RECORDS | _VAULT | _IDENTITY | _ROOMS | LANGUAGE_MODEL_KEYS | SPEECH_KEYS,
    "jobs": _RECORDS | _VAULT | _IDENTITY | _ROOMS | LANGUAGE_MODEL_KEYS,
    "models": frozenset(),
}


def process_environment(process: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of a deployment's `variables` that a process is told.

    What is no setting of ours goes to processes that ask language models: only litellm knows which
    variables a model needs. Others get what any program needs. None of them reads `.env`.
    """
    secrets, known = SECRETS[process], settings_variables()
    asks_models = secrets >= LANGUAGE_MODEL_KEYS
    told = {
        name: value
        for name, value in variables.items()
        if name in secrets
        or (name in known and not known[name])
        or (name not in known and (asks_models or is_system_variable(name)))
    }
    return {**told, "ANTIPHON_ENV_FILE": ""}
