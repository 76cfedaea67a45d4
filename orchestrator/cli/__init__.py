"""The command `antiphon`, one module per group of subcommands."""
