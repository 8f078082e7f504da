"""Runs on trio: the host around trio's own loop, its faults, and what it is watched with."""
