"""What every server shares: errors, tenancy, effects, idempotency, confirmation, serving."""
