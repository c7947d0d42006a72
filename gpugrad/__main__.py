"""`python -m gpugrad` is the command gpugrad."""

from .command.app import main

main()
