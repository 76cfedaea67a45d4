"""What a business knows, from its own documents."""
