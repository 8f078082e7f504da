"""Each failure mode: reproduced, prevented, repaired."""
