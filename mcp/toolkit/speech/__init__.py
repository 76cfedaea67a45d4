"""Spoken language: understanding times, numbers and names, and phrasing replies."""
