"""The voice agent: one job process per call."""
