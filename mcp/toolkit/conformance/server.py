"""The server that the conformance suite is run against: built and guarded like any other."""

from toolkit.conformance import asking, content
from toolkit.conformance.offers import offer
from toolkit.serving import ServerSpec

SERVER = ServerSpec(
    "conformance",
    "What MCP's conformance suite asks for; it serves no caller.",
    (*content.TOOLS, *asking.TOOLS),
    extras=offer,
)
