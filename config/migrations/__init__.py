"""The one chain of schema changes. It imports no models: a test compares the two."""
