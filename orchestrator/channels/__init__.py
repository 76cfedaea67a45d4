"""Where the agent of a call also answers in writing."""
