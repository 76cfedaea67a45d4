"""What vendors tell us by themselves: whether it is theirs, and what it is about."""
