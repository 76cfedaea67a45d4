"""The ServiceNow server: incidents, cases, tasks and knowledge."""
