"""Short texts, and the beginning of a sentence."""


def cut(text: str, size: int) -> str:
    """Return `text` within `size` bytes of UTF-8; a longer one ends with an ellipsis."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    return encoded[: size - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def shorten(text: str, length: int) -> str:
    """Return `text` within `length` characters; a longer one ends with an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def capitalize(text: str) -> str:
    """Return `text` with its first letter in upper case; the other letters stay."""
    return text[:1].upper() + text[1:]
