"""The tickets of a business without a vendor, kept in our own database."""
