"""Acuity Scheduling."""
