"""FM_012: a slot is taken and never given back."""
