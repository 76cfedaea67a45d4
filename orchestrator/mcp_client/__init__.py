"""MCP clients of the agent and the gateway: routing, connection pools, tools."""
