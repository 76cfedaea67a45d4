"""The thin layer between calls and MCP servers."""
