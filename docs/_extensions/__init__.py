"""Extensions that derive parts of the documentation site from the code."""
