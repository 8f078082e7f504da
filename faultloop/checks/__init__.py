"""What must hold: the standard checks of every run, and how an outcome is judged."""
