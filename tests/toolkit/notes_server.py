"""A server of notes, for tests of what every server does whatever its tools."""

import asyncio
from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field
from sqlalchemy.exc import DataError

from toolkit.effects import READS, WRITES
from toolkit.errors import NotFound
from toolkit.middleware.confirmation import confirm
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec
from toolkit.tenancy import CALL, ToolCall

written: list[str] = []
Name = Annotated[str, Field(max_length=20)]


class Note(Result):
    text: str
    author: str | None = None


@tool(title="Read a note", annotations=READS)
async def read_note(name: Name, call: ToolCall = CALL) -> Note:
    """Read a note."""
    if name == "gone":
        raise NotFound("There is no such note.")
    if name == "broken":
        raise RuntimeError("sk_live_canary")
    if name == "unstorable":
        raise DataError("insert into note", {"name": "canary"}, ValueError("canary"))
    if name == "slow":
        await asyncio.Event().wait()
    return Note(say=f"The note says {name}.", text=f"{name} of {call.business_id}")


@tool(title="Write a note", annotations=WRITES)
async def write_note(name: Name, call: ToolCall = CALL) -> Note:
    """Write a note."""
    if name == "refused":
        raise NotFound("There is no such note.")
    confirm(f"I will write {name}. Shall I?")
    written.append(f"{call.business_id} {name}")
    return Note(say="Written.", text=name)


@tool(title="Slow", annotations=READS, timeout=0.05)
async def dawdle() -> Note:
    """Take too long."""
    await asyncio.Event().wait()
    return Note(text="never")


@tool(title="Write slowly", annotations=WRITES, timeout=0.05)
async def write_slowly() -> Note:
    """Write, and take too long."""
    written.append("slowly")
    await asyncio.Event().wait()
    return Note(text="never")


SPEC = ServerSpec("notes", "Notes.", (read_note, write_note, dawdle, write_slowly))
