"""The server for MCP's conformance suite, built like any other; only these tests serve it."""

from tests.conformance import content, input_required
from tests.conformance.prompts_resources import add_prompts_and_resources
from toolkit.server.build import ServerSpec

SERVER = ServerSpec(
    "conformance",
    "What MCP's conformance suite asks for; it serves no caller.",
    (*content.TOOLS, *input_required.TOOLS),
    extras=add_prompts_and_resources,
)
