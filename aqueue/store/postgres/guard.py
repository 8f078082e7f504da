"""What a statement of the user may do inside a transaction of the store: write rows of the user's tables, nothing else.

PostgreSQL has nobody to ask before it runs a statement, so the statement's own text is looked at: its first word, and
whether it names a table of ours. That it is one statement only, the server sees to (the extended protocol takes one).
What a trigger, a view or a function of the user does is the user's: it cannot end the transaction either way.
"""

from __future__ import annotations

import re
from typing import Final

import psycopg

__all__ = ["fault_of", "is_fault_of_statement"]

_OURS: Final = ("job", "event", "effect", "limit", "breaker", "schedule", "fire", "meta")
# Texts and comments, in which a word means nothing. A comment may hold another one; then too little is left out, and a
# statement may be refused that need not be, never the other way.
_QUIET: Final = re.compile(
    r"""(?is)(?P<name>"[^"]*")|\be'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/""",
)
_OUR_TABLE: Final = re.compile(rf"(?i)\baq_(?:{'|'.join(_OURS)})\b|\bU&\"")
_FIRST_WORD: Final = re.compile(r"\s*(\w*)")
_WRITING: Final = ("insert", "update", "delete", "merge", "with")
# Classes of SQLSTATE in which the statement, its values or the rows it met are at fault, and not the server.
_OF_STATEMENT: Final = ("0A", "20", "21", "22", "23", "25", "27", "2B", "34", "42", "44", "54", "P0")


def fault_of(sql: str) -> str | None:
    """Why this statement may not run, None if it may."""
    said = _QUIET.sub(lambda found: found["name"] or " ", sql)
    first = _FIRST_WORD.match(said)
    word = first.group(1).lower() if first else ""
    if word not in _WRITING:
        return f"it may only write rows, and begins with {word or sql[:20]!r}"
    named = _OUR_TABLE.search(said)
    return None if named is None else f"it may not touch {named.group()}"


def is_fault_of_statement(error: psycopg.Error) -> bool:
    """Whether another statement would fare better."""
    if error.sqlstate is None:  # psycopg itself refused: a value of no type, too few values
        return not isinstance(error, psycopg.OperationalError)
    return error.sqlstate[:2] in _OF_STATEMENT
