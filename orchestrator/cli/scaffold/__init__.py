"""Lays out new code in a checkout: a vendor of a server, or a whole server."""
