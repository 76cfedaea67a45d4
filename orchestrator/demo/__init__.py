"""A caller who shows what the platform does."""
