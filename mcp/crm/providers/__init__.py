"""The CRM vendors: a module or a folder each."""
