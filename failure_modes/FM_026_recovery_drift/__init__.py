"""FM_026: a sweep writes what was right when it looked."""
