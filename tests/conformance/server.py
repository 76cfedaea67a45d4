"""The server that the conformance suite is run against: built and guarded like any other."""

from tests.conformance import content, input_required
from tests.conformance.prompts_resources import offer
from toolkit.server.build import ServerSpec

SERVER = ServerSpec(
    "conformance",
    "What MCP's conformance suite asks for; it serves no caller.",
    (*content.TOOLS, *input_required.TOOLS),
    extras=offer,
)
