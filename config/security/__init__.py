"""Vault, encryption, tokens, API keys, the egress guard and the audit trail."""
