"""What is said: frozen, typed values with validation and JSON, and no other behaviour."""
