"""How our processes run: serving, signals, the garbage collector."""
