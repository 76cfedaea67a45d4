"""PostgreSQL, Valkey and LiveKit on one machine, without installing any of them."""
