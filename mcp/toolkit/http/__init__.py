"""HTTP to vendors: client, retries, circuit breakers, caches and synchronous SDKs."""
