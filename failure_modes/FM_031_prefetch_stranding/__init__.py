"""FM_031: jobs that were claimed in advance lie in a buffer while their leases pass."""
