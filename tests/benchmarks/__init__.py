"""What benchmarks stand on: their cases can be read, and their tables say what was found."""
