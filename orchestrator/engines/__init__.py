"""PostgreSQL, Valkey, LiveKit and Node: found, built or fetched, and run without installing."""
