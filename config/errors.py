"""What a person can mend."""


class UserError(Exception):
    """Something went wrong that a person can put right; the message says how."""
