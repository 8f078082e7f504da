"""Claims to come."""
