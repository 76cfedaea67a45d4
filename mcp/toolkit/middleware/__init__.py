"""The middleware of every server.

A tool call passes audit, failures, rate_limit, authorization, results, confirmation and
idempotency, in this order; its result passes them in the opposite order.
"""
