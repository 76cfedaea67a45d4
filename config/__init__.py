"""The foundation: settings, database, tenants and bots, tokens, registry."""
