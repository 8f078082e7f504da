"""Observed modules: their code reports what it touches of plain state."""
