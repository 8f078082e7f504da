"""FM_030: a worker starts again under its old name, and revives what it was at when it died."""
