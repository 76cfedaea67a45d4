"""Groups of subcommands of `antiphon`."""
