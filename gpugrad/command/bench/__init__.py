"""The commands `gpugrad bench …`, one file per group."""
