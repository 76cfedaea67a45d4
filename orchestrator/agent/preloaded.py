"""What every call needs of litellm, loaded once in the process that job processes are forked from.

It starts no thread: those are lost in a fork. So `warm_up_litellm` stays with each job process.
"""

from litellm.litellm_core_utils.default_encoding import encoding

encoding.encode("The first text loads the vocabulary.")
