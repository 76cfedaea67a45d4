"""One ticket desk per file."""
