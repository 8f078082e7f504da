"""FM_001: retry duplication leads to double execution."""
