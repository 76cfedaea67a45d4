"""Keeps on disk what llama.cpp has read of a bot's prompt, so that no call waits for it again."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.embedded.llm import Turn

_MAX_FILES = 32
_MAX_BYTES = 1_000_000_000  # a prefix of 655 tokens has 19 MB


class PrefixStore:
    """The states of slots in a folder; those that were not used for longest make way for others.

    `fingerprint` names everything besides the prompt that a state depends on: the weights, the
    engine's version, the type of the cache.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        *,
        max_files: int = _MAX_FILES,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self.folder = folder
        self._fingerprint = fingerprint
        self._max_files = max_files
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def name(self, prefix: Sequence[Turn]) -> str:
        """Return the name of the file for a prefix."""
        content = json.dumps([self._fingerprint, [dict(turn) for turn in prefix]])
        return f"{hashlib.sha256(content.encode()).hexdigest()}.state"

    def find(self, name: str) -> bool:
        """Return whether a state is stored, and note that it is used."""
        try:
            os.utime(self.folder / name)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a state, for example because it cannot be read."""
        (self.folder / name).unlink(missing_ok=True)

    def make_room(self) -> None:
        """Remove the states that were not used for longest, above the limits."""
        files = [(path, path.stat()) for path in self.folder.glob("*.state")]
        files.sort(key=lambda file: file[1].st_mtime, reverse=True)
        total = 0
        for count, (path, status) in enumerate(files, 1):
            total += status.st_size
            if count > self._max_files or total > self._max_bytes:
                path.unlink(missing_ok=True)
