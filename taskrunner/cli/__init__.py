"""The `taskrunner` command: one module per group of subcommands; they parse, call and print."""
