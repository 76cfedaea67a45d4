"""The builtin CRM."""
