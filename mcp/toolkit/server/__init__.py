"""Building and running a server: over HTTP, over stdio, and the check of an account."""
