"""Automations that a business has at Zapier and Make: what there is, and how they are started."""
