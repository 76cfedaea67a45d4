"""What MCP's own conformance suite asks a server for; served where MCP_CONFORMANCE is set."""
