"""Housecall Pro."""
