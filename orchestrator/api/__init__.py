"""REST for clients, and the talk page."""
