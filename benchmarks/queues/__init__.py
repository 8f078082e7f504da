"""Queues that `benchmarks/queue.py` compares: each is a Contender."""
