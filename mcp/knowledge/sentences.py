"""What the knowledge server says to callers, in their language."""

from config.language.catalogue import Catalogue

say = Catalogue("knowledge")
