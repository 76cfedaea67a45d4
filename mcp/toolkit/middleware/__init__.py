"""The middleware of every server.

A tool call passes audit, failures, rate limit, authorization, results, confirmation and
idempotency, in this order.
"""
