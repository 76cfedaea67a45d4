"""A caller who speaks the pseudo-language, and the checks that every server's sentences pass."""

import re
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from config.language.catalogue import DEFAULT, read_patterns
from config.protocol import CONFIRMATION_CODE, LANGUAGE_KEY, META_KEY, NEEDS_CONFIRMATION
from config.security.tokens import Claims, server_audience
from tests.support.pseudo_locale import PSEUDO, latin_words
from tests.support.servers import Servers

_LITERAL = re.compile(r"""\b(?:say=|say = |confirm\()\(?\s*f?["'].*""")


@dataclass
class TranslatedCaller:
    """An MCP client whose caller speaks the pseudo-language.

    Whatever a tool says has no Latin words but for those of `data`. `called` are the tools that
    have been run.
    """

    client: Client[StreamableHttpTransport]
    data: Collection[str]
    called: set[str] = field(default_factory=set[str])

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that has to succeed, agree to what it asks, and return its result."""
        error, content = await self._call(tool, arguments)
        assert error is None, (tool, arguments, content)
        if content.get("status") != NEEDS_CONFIRMATION:
            return content
        code = content[CONFIRMATION_CODE]
        return await self.call(tool, **{**arguments, CONFIRMATION_CODE: code})

    async def refused(self, error: str, tool: str, /, **arguments: Any) -> None:
        """Call a tool that has to fail."""
        answered, content = await self._call(tool, arguments)
        assert answered == error, (tool, arguments, content)

    async def _call(
        self, tool: str, arguments: dict[str, Any]
    ) -> tuple[str | None, dict[str, Any]]:
        """Return the error and the content of a result, whose sentence is in the language."""
        self.called.add(tool)
        meta = {LANGUAGE_KEY: PSEUDO}
        result = await self.client.call_tool(tool, arguments, raise_on_error=False, meta=meta)
        failure: dict[str, Any] = (result.meta or {}).get(META_KEY, {})
        content = failure if result.is_error else result.structured_content or {}
        said = content["say"]
        assert said.strip(), (tool, arguments)
        assert latin_words(said, self.data) == [], (tool, arguments, said)
        assert not set(said) & set("{}"), (tool, arguments, said)
        return failure.get("error"), content


@asynccontextmanager
async def connect_translated(
    servers: Servers, server: str, claims: Claims, data: Collection[str]
) -> AsyncGenerator[TranslatedCaller]:
    """Open a client of a caller who speaks the pseudo-language; use it in `pseudo_locale()`."""
    transport = StreamableHttpTransport(
        f"http://127.0.0.1/{server}/mcp",
        auth=servers.signer.mint(server_audience(server), claims),
        httpx_client_factory=servers.http,
    )
    async with Client(transport) as client:
        yield TranslatedCaller(client, data)


def unused_sentences(package: str) -> list[str]:
    """Return the names of a package's sentences that stand nowhere in its code."""
    source = "\n".join(_source_files(package).values())
    return [name for name in read_patterns(package, DEFAULT) if f'"{name}"' not in source]


def literal_sentences(package: str) -> list[str]:
    """Return the places in a package's code where a sentence is no message of a catalogue."""
    return [
        f"{name}: {match[0]}"
        for name, text in _source_files(package).items()
        for match in _LITERAL.finditer(text)
    ]


def _source_files(package: str) -> dict[str, str]:
    folder = Path(str(files(package)))
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }
