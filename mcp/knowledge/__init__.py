"""The knowledge server: what the business's own documents say."""
