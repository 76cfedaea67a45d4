"""The vendors: a module or a folder each."""
