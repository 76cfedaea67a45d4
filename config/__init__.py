"""The platform's core: settings, database, bots, declarations, security, and shared protocol."""
