"""What callers say about times and numbers, and how they are told."""
