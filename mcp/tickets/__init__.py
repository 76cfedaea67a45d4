"""Tickets, their comments, and the people they are about."""
