"""Declarations in YAML: their schema, how they are read, and how they are applied."""
