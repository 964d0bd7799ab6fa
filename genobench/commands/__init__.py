"""The subcommands: what each does, once its arguments are parsed."""
