"""The transcripts server: what was said in every conversation."""
