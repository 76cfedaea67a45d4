"""The builtin provider."""
