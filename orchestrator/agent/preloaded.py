"""What every call needs of litellm, loaded once in the process that job processes are forked from.

It starts no thread: those are lost in a fork. So `warm_up_litellm` stays with each job process.
"""

from importlib import import_module

# Imported by name: its own types are incomplete.
encoding = import_module("litellm.litellm_core_utils.default_encoding").encoding
encoding.encode("The first text loads the vocabulary.")
