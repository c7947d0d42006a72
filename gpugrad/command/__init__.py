"""The `gpugrad` command: one file per subcommand; `app` assembles them."""
