"""Tests of aqueue: on both stores and both backends, in virtual time, without sleeping."""
