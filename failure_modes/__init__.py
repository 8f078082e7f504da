"""One bundle per failure: told in `spec.md`, reproduced by `scenario.py`, recorded in `trace.json`."""
