"""The builtin ticket desk."""
