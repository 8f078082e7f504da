"""Runs on asyncio: the loop, its faults, and what it is watched with."""
