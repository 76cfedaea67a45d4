"""Declarations in YAML: schema, reading and applying."""
