"""Real bugs of published libraries: each a case with the pins of a broken and of a fixed release, and a scenario."""
