"""What both the CLI and the API do for an operator."""
