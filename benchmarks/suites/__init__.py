"""Suites that nobody here wrote, under the pytest plugin: the tables of docs/compatibility.md."""
