"""How our processes run: serving ASGI apps, and the garbage collector."""
