"""Tools and a prompt that ask the client for something before they answer."""

from typing import TypeVar

from fastmcp import Context
from fastmcp.dependencies import CurrentContext
from fastmcp.prompts import PromptResult, prompt
from fastmcp.tools import tool
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    RootsCapability,
    SamplingCapability,
    SamplingMessage,
    TextContent,
)

from tests.conformance.samples import text
from toolkit.effects import READS

A = TypeVar("A")

_STARTED = "started"
_NAMED = "named"


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """Ask the user for one field."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(question: str) -> CreateMessageRequest:
    """Ask the client's model."""
    message = SamplingMessage(role="user", content=text(question))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=100)
    )


def _ask(requests: dict[str, InputRequest], state: str | None = None) -> InputRequiredResult:
    """Ask for all of this at once."""
    return InputRequiredResult(input_requests=requests, request_state=state)


def _answer(ctx: Context, key: str, kind: type[A]) -> A | None:
    """Return what the client answered under `key`, if it is of that kind."""
    answer = (ctx.input_responses or {}).get(key)
    return answer if isinstance(answer, kind) else None


def _field(ctx: Context, key: str, field: str) -> object | None:
    """Return what the user wrote into the form's field, if they filled it in."""
    form = _answer(ctx, key, ElicitResult)
    return (form.content or {}).get(field) if form and form.action == "accept" else None


@tool(title="Ask the user", annotations=READS)
async def test_input_required_result_elicitation(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask for a name, then greet."""
    name = _field(ctx, "user_name", "name")
    if name is None:
        return _ask({"user_name": _form("What is your name?", "name")})
    return text(f"Hello, {name}!")


@tool(title="Ask the model", annotations=READS)
async def test_input_required_result_sampling(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask the client's model, then say what it said."""
    sampled = _answer(ctx, "capital_question", CreateMessageResult)
    if sampled is None:
        return _ask({"capital_question": _sample("What is the capital of France?")})
    return text(f"The model answered: {sampled.content}")


@tool(title="Ask for roots", annotations=READS)
async def test_input_required_result_list_roots(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask for the client's roots, then name them."""
    listed = _answer(ctx, "client_roots", ListRootsResult)
    if listed is None:
        return _ask({"client_roots": ListRootsRequest()})
    return text(f"The roots are {', '.join(str(root.uri) for root in listed.roots)}.")


@tool(title="Ask with a state", annotations=READS)
async def test_input_required_result_request_state(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask once, and go on only from the state that was given then."""
    if ctx.request_state != _STARTED or _field(ctx, "confirm", "ok") is None:
        return _ask({"confirm": _form("May I go on?", "ok", "boolean")}, _STARTED)
    return text("state-ok")


@tool(title="Ask with a sealed state", annotations=READS)
async def test_input_required_result_tampered_state(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask once; a state that was tampered with never gets here."""
    if ctx.request_state != _STARTED:
        return _ask({"confirm": _form("May I go on?", "ok", "boolean")}, _STARTED)
    return text("The state is the one that was given.")


@tool(title="Ask for three things", annotations=READS)
async def test_input_required_result_multiple_inputs(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask user, model and client at once."""
    name = _field(ctx, "user_name", "name")
    greeting = _answer(ctx, "greeting", CreateMessageResult)
    listed = _answer(ctx, "client_roots", ListRootsResult)
    if name is None or greeting is None or listed is None:
        return _ask(
            {
                "user_name": _form("What is your name?", "name"),
                "greeting": _sample("How does one greet?"),
                "client_roots": ListRootsRequest(),
            },
            _STARTED,
        )
    return text(f"{name} has {len(listed.roots)} roots.")


@tool(title="Ask twice", annotations=READS)
async def test_input_required_result_multi_round(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask for a name, then for a color."""
    color = _field(ctx, "step2", "color")
    if ctx.request_state == _NAMED and color is not None:
        return text(f"You like {color}.")
    if ctx.request_state == _STARTED and _field(ctx, "step1", "name") is not None:
        return _ask({"step2": _form("Which color do you like?", "color")}, _NAMED)
    return _ask({"step1": _form("What is your name?", "name")}, _STARTED)


@tool(title="Ask for what is possible", annotations=READS)
async def test_input_required_result_capabilities(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask only for what the client says it can do."""
    user = ClientCapabilities(elicitation=ElicitationCapability())
    model = ClientCapabilities(sampling=SamplingCapability())
    roots = ClientCapabilities(roots=RootsCapability())
    requests: dict[str, InputRequest] = {}
    if ctx.session.check_client_capability(user):
        requests["user_name"] = _form("What is your name?", "name")
    if ctx.session.check_client_capability(model):
        requests["greeting"] = _sample("How does one greet?")
    if ctx.session.check_client_capability(roots):
        requests["client_roots"] = ListRootsRequest()
    if ctx.input_responses or not requests:
        return text("There is nothing more to ask.")
    return _ask(requests)


@tool(title="Ask within a stream", annotations=READS)
async def test_streaming_elicitation(
    ctx: Context = CurrentContext(),
) -> TextContent | InputRequiredResult:
    """Ask for a name in the stream of the answer, by no request of its own."""
    await ctx.report_progress(0, 1)
    name = _field(ctx, "user_name", "name")
    if name is None:
        return _ask({"user_name": _form("What is your name?", "name")})
    return text(f"Hello, {name}!")


@prompt(title="Ask before prompting")
async def test_input_required_result_prompt(
    ctx: Context = CurrentContext(),
) -> PromptResult | InputRequiredResult:
    """Ask for the context of the prompt."""
    context = _field(ctx, "user_context", "context")
    if context is None:
        return _ask({"user_context": _form("In which context?", "context")})
    return PromptResult(f"Answer in the context of {context}.")


TOOLS = (
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_streaming_elicitation,
)
