"""The command gpugrad, a file per subcommand; `app` puts them together."""
