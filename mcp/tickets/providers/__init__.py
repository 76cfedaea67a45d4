"""The ticket providers: a folder for each vendor."""
