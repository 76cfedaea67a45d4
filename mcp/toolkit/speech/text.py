"""Texts that have to be short."""


def cut(text: str, size: int) -> str:
    """Return `text` within `size` bytes, with an ellipsis where it was longer."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    return encoded[: size - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def shorten(text: str, length: int) -> str:
    """Return `text` within `length` characters, with an ellipsis where it was longer."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
