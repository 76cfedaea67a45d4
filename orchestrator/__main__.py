"""`python -m orchestrator`: the same as `antiphon`."""

from orchestrator.cli import app

app()
