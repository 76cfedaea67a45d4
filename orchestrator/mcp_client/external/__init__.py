"""MCP servers of other people: registration, pinning, calls."""
