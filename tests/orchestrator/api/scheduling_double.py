"""A server in the place of `scheduling`, whose tool can end in every way that the toolkit knows."""

from fastmcp.tools import tool
from pydantic import BaseModel

from toolkit.effects import READS, WRITES
from toolkit.errors import (
    Disconnected,
    Fault,
    Invalid,
    NotFound,
    OutcomeUnknown,
    Rejected,
    TimedOut,
    ToolFailure,
    Unavailable,
)
from toolkit.middleware.authorization import VOICE
from toolkit.middleware.confirmation import confirm
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec
from toolkit.tenancy import CALL, ToolCall

FAILURES: dict[str, ToolFailure] = {
    failure.kind: failure
    for failure in (
        Invalid("It failed."),
        NotFound("It failed."),
        Rejected("It failed."),
        Disconnected("It failed."),
        Unavailable("It failed."),
        TimedOut("It failed."),
        OutcomeUnknown("It failed."),
        Fault(),
    )
}
written: list[str] = []


class Whose(Result):
    """For whom the tool was called."""

    business_id: str
    bot_id: str
    conversation_id: str | None = None


class Written(Result):
    """How often something was written."""

    times: int


@tool(title="Fail", annotations=READS, tags={VOICE})
async def fail(kind: str) -> Whose:
    """Fail."""
    raise FAILURES[kind]


@tool(title="Tell whose", annotations=READS, tags={VOICE})
async def tell_whose(call: ToolCall = CALL) -> Whose:
    """Tell for whom this is called."""
    claims = call.claims
    conversation_id = str(claims.conversation_id) if claims.conversation_id else None
    return Whose(
        say="Yours.",
        business_id=str(claims.business_id),
        bot_id=str(claims.bot_id),
        conversation_id=conversation_id,
    )


@tool(title="Write", annotations=WRITES, tags={VOICE})
async def write(what: str) -> Written:
    """Write."""
    confirm(f"I will write {what}. Shall I?")
    written.append(what)
    return Written(say="Written.", times=written.count(what))


class Options(BaseModel):
    """How to greet."""

    times: int = 1
    tone: str = "friendly"


_PLAIN = Options()


class Greetings(Result):
    """What was said."""

    greetings: tuple[str, ...]


@tool(title="Greet", annotations=READS, tags={VOICE})
async def greet(
    names: tuple[str, ...], options: Options = _PLAIN, loud: bool = False, note: str = ""
) -> Greetings:
    """Greet."""
    del note
    said = [name.upper() if loud else name for name in names for _ in range(options.times)]
    return Greetings(greetings=tuple(said))


SCHEDULING = ServerSpec("scheduling", "A calendar.", (fail, tell_whose, write, greet))
