"""`antiphon demo`: a scripted caller, its call, and the report of it."""
