"""The base of errors for users."""


class UserError(Exception):
    """An error that a person can fix; the message says how."""
