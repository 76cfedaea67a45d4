"""The worker of background jobs, and the orchestrator's own jobs."""
