"""One CRM per file."""
