"""The embedded models: hearing, speech and a language model from package wheels alone."""
