"""Accounts, keys and tokens, what may be reached from here, and the audit trail."""
