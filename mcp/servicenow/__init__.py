"""Incidents, cases, tasks and knowledge in ServiceNow."""
