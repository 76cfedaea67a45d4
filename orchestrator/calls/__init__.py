"""Running calls, as all processes see them in the cache: who serves each, and who waits."""
