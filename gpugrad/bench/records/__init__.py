"""Records of measurements: files, comparison, summary and report."""
