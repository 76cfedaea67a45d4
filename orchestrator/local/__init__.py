"""A whole deployment on one machine: engines, servers, API, worker, models."""
