"""`python -m orchestrator`: the same as `antiphon`."""

from orchestrator.cli.app import app

app()
