"""A code object as a list of instructions and back, so that others may be put between them.

Rule 1: pure. It knows the shape of code (jumps, exception ranges, positions), not what any instruction means.
Rule 2: written back unchanged, a code object is the same in every byte but those of its line table.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_UNITS_PER_ENTRY_MAX = 8
"""A location entry of a line table covers at most this many code units."""
_LONG, _NO_COLUMNS, _NO_PLACE = 14, 13, 15
"""Kinds of location entry: with columns, with a line only, without anything."""

Position = dis.Positions
"""Line, end line, column, end column."""
NOWHERE = Position()


@dataclass(slots=True, eq=False)
class Instruction:
    """One instruction with its own argument. value: what the argument names (a name, a constant), as `dis` tells it."""

    opcode: int
    arg: int = 0
    value: Any = None
    caches: int = 0
    """Code units behind it that belong to the interpreter."""
    position: Position = NOWHERE
    target: Instruction | None = None
    """Where it jumps to."""
    before: list[Instruction] = field(default_factory=list["Instruction"])
    """Put in front of it; who jumps to it runs them too."""
    after: list[Instruction] = field(default_factory=list["Instruction"])
    """Put behind it; who jumps past it does not run them."""

    @property
    def name(self) -> str:
        """`LOAD_ATTR` and the like."""
        return dis.opname[self.opcode]


@dataclass(slots=True, eq=False)
class Guarded:
    """Instructions from start to end (not included; None: the rest) whose exceptions go to a handler."""

    start: Instruction
    end: Instruction | None
    handler: Instruction
    depth: int
    keeps_place: bool


@dataclass(slots=True, eq=False)
class Body:
    """What a code object does."""

    instructions: list[Instruction]
    guarded: list[Guarded]


def read(code: types.CodeType) -> Body:
    """The instructions of a code object, without those that only widen an argument."""
    entries = list(dis.get_instructions(code))
    ends = [entry.offset for entry in entries[1:]] + [len(code.co_code)]
    at: dict[int, Instruction] = {}
    jumps: list[tuple[Instruction, int]] = []
    instructions: list[Instruction] = []
    widening: list[int] = []
    for entry, end in zip(entries, ends, strict=True):
        if entry.opcode == dis.EXTENDED_ARG:
            widening.append(entry.offset)
            continue
        instruction = Instruction(
            entry.opcode,
            entry.arg or 0,
            entry.argval,
            (end - entry.offset) // 2 - 1,
            entry.positions or NOWHERE,
        )
        at.update(dict.fromkeys((*widening, entry.offset), instruction))
        widening.clear()
        instructions.append(instruction)
        if entry.opcode in dis.hasjrel:
            jumps.append((instruction, entry.argval))
    for instruction, offset in jumps:
        instruction.target = at[offset]
    guarded = [
        Guarded(at[start], at.get(end), at[handler], depth, keeps_place)
        for start, end, handler, depth, keeps_place in _read_exceptions(code.co_exceptiontable)
    ]
    return Body(instructions, guarded)


def write(
    code: types.CodeType, body: Body, *, constants: Sequence[object] | None = None, stack_extra: int = 0
) -> types.CodeType:
    """A code object like this one that does what the body says.

    constants: all of them, if there are others now.   stack_extra: by how much the stack may grow deeper.
    """
    flat = [
        instruction
        for own in body.instructions
        for instruction in (*_placed(own.before, own), own, *_placed(own.after, own))
    ]
    first = {own: own.before[0] if own.before else own for own in body.instructions}
    sizes = {instruction: _size(instruction.arg) + instruction.caches for instruction in flat}
    while True:
        places, total = _lay_out(flat, sizes)
        is_settled = True
        for instruction in flat:
            if instruction.target is not None:
                landing = places[first[instruction.target]]
                instruction.arg = abs(landing - places[instruction] - sizes[instruction])
                if (needed := _size(instruction.arg) + instruction.caches) > sizes[instruction]:
                    sizes[instruction] = needed
                    is_settled = False
        if is_settled:
            break
    raw = bytearray()
    for instruction in flat:
        _emit(raw, instruction, sizes[instruction])
    exceptions = [
        (
            places[first[g.start]],
            places[first[g.end]] if g.end else total,
            places[first[g.handler]],
            g.depth,
            g.keeps_place,
        )
        for g in body.guarded
    ]
    return code.replace(
        co_code=bytes(raw),
        co_consts=tuple(constants) if constants is not None else code.co_consts,
        co_stacksize=code.co_stacksize + stack_extra,
        co_linetable=_write_lines(((i.position, sizes[i]) for i in flat), code.co_firstlineno),
        co_exceptiontable=_write_exceptions(exceptions),
    )


def _placed(added: list[Instruction], own: Instruction) -> list[Instruction]:
    for instruction in added:
        instruction.position = own.position
    return added


def _size(arg: int) -> int:
    return 1 + (arg > 0xFF) + (arg > 0xFFFF) + (arg > 0xFFFFFF)


def _lay_out(flat: list[Instruction], sizes: dict[Instruction, int]) -> tuple[dict[Instruction, int], int]:
    places: dict[Instruction, int] = {}
    place = 0
    for instruction in flat:
        places[instruction] = place
        place += sizes[instruction]
    return places, place


def _emit(raw: bytearray, instruction: Instruction, size: int) -> None:
    for shift in range(8 * (size - instruction.caches - 1), 0, -8):
        raw += bytes((dis.EXTENDED_ARG, instruction.arg >> shift & 0xFF))
    raw += bytes((instruction.opcode, instruction.arg & 0xFF)) + bytes(2 * instruction.caches)


# Exception tables: https://github.com/python/cpython/blob/3.11/Objects/exception_handling_notes.txt


def _read_exceptions(table: bytes) -> Iterator[tuple[int, int, int, int, bool]]:
    """Start, end, handler (offsets in bytes), depth, and whether the place of the exception is kept."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 0x3F
        if not byte & 0x40:
            numbers.append(value)
            value = 0
    for at in range(0, len(numbers), 4):
        start, length, handler, depth = numbers[at : at + 4]
        yield 2 * start, 2 * (start + length), 2 * handler, depth >> 1, bool(depth & 1)


def _write_exceptions(entries: Iterable[tuple[int, int, int, int, bool]]) -> bytes:
    """The reverse, from places in code units."""
    table = bytearray()
    for start, end, handler, depth, keeps_place in entries:
        begin = len(table)
        for value in (start, end - start, handler, depth << 1 | keeps_place):
            shift = max(0, (value.bit_length() - 1) // 6 * 6)
            for left in range(shift, -1, -6):
                table.append(value >> left & 0x3F | (0x40 if left else 0))
        table[begin] |= 0x80
    return bytes(table)


# Line tables: https://github.com/python/cpython/blob/3.11/Objects/locations.md


def _write_lines(located: Iterable[tuple[Position, int]], first_line: int) -> bytes:
    """A line table in the long form. located: positions and for how many code units each holds."""
    table = bytearray()
    last = first_line
    for (line, end_line, column, end_column), units in located:
        left = units
        while left:
            covered = min(left, _UNITS_PER_ENTRY_MAX)
            left -= covered
            if line is None:
                table.append(0x80 | _NO_PLACE << 3 | covered - 1)
                continue
            has_columns = end_line is not None and column is not None and end_column is not None
            table.append(0x80 | (_LONG if has_columns else _NO_COLUMNS) << 3 | covered - 1)
            delta = line - last
            last = line
            _put_varint(table, delta << 1 if delta >= 0 else -delta << 1 | 1)
            if end_line is not None and column is not None and end_column is not None:
                _put_varint(table, end_line - line)
                _put_varint(table, column + 1)
                _put_varint(table, end_column + 1)
    return bytes(table)


def _put_varint(table: bytearray, value: int) -> None:
    while value > 0x3F:
        table.append(value & 0x3F | 0x40)
        value >>= 6
    table.append(value)
