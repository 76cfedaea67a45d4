"""The vendor behind the tools."""
