"""`python -m gpugrad` is the command gpugrad."""

from .cli import main

main()
