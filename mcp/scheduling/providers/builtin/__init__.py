"""The builtin calendar."""
