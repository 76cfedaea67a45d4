"""Runs what was enqueued."""
