"""What was said in every conversation."""
