"""Operations of an operator that both the CLI and the API offer."""
