"""Envelope encryption with AES-256-GCM, for secrets in the database.

Each record has a data key of its own, which is wrapped by a master key. Master keys have ids, so
that an old one can be dropped once every record has been rewrapped under a new one. The text that
a record is bound to (its business, integration and key id) is authenticated with it: a value that
was copied to another row, or changed by one bit, cannot be decrypted.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import UserError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = 1

Sealed = Mapping[str, Any]


class SealError(Exception):
    """A sealed value cannot be decrypted: it has another key or row, or it was changed."""


class KeyringError(UserError):
    """VAULT_KEYS is malformed."""


@dataclass(frozen=True)
class Keyring:
    """The master keys by their ids; `current` is the one that seals, and all of them open."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `id:key,id:key`: keys in base64, the current one first.

        Raises:
            KeyringError: the text is malformed; the message does not repeat it.
        """
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            kid, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not kid or len(key) != _KEY_BYTES or kid in keys:
                raise KeyringError(
                    "VAULT_KEYS must be id:key pairs with commas between them, each key 32 bytes "
                    "in base64. `antiphon keys service` makes one."
                )
            keys[kid] = key
        return cls(next(iter(keys)), keys)

    @staticmethod
    def new_key(kid: str) -> str:
        """Return a new key in the format of VAULT_KEYS."""
        return f"{kid}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"

    def seal(self, plain: Mapping[str, Any], bound_to: str) -> dict[str, Any]:
        """Return `plain` sealed under the current key and bound to the text `bound_to`."""
        data_key = secrets.token_bytes(_KEY_BYTES)
        kid = self.current
        return {
            "v": _VERSION,
            "kid": kid,
            "w": _encrypt(self.keys[kid], data_key, _aad(bound_to, kid)),
            "c": _encrypt(data_key, json.dumps(dict(plain)).encode(), bound_to.encode()),
        }

    def open(self, sealed: Sealed, bound_to: str) -> dict[str, Any]:
        """Return the plain value of a sealed one.

        Raises:
            SealError: it cannot be decrypted with these keys and this binding.
        """
        plain: dict[str, Any] = json.loads(
            _decrypt(self._data_key(sealed, bound_to), sealed.get("c"), bound_to.encode())
        )
        return plain

    def rewrap(self, sealed: Sealed, bound_to: str) -> dict[str, Any] | None:
        """Return the value sealed under the current key; None if it is already.

        Raises:
            SealError: it cannot be decrypted with these keys and this binding.
        """
        if sealed.get("kid") == self.current:
            return None
        return self.seal(self.open(sealed, bound_to), bound_to)

    def _data_key(self, sealed: Sealed, bound_to: str) -> bytes:
        kid = str(sealed.get("kid"))
        if sealed.get("v") != _VERSION or kid not in self.keys:
            raise SealError("It was sealed under a key that VAULT_KEYS no longer holds.")
        return _decrypt(self.keys[kid], sealed.get("w"), _aad(bound_to, kid))


def _aad(bound_to: str, kid: str) -> bytes:
    return f"{bound_to}|{kid}".encode()


def _encrypt(key: bytes, plain: bytes, aad: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, aad)).decode()


def _decrypt(key: bytes, encoded: object, aad: bytes) -> bytes:
    try:
        blob = base64.b64decode(str(encoded), validate=True)
        return AESGCM(key).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):
        raise SealError("It was changed, or belongs to another record.") from None
