"""Lays out what is new: a vendor's file, its test, and the line that registers it."""
