"""Code with calls between its instructions that report what it touches of plain state.

Rule 1: the values on the stack, the order of evaluation, positions, names, frames and await points stay as they are.
What is called gets copies of what is on the stack, and what it returns is thrown away.
Rule 2: nothing is reported that nobody rebinds: attributes, globals and closure variables count if somewhere in the
observed code there is an assignment to one of that name. What containers hold counts always.

Which calls there are is `Hooks`; what they do is not this module's business.
"""

from __future__ import annotations

import bisect
import dis
import heapq
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from faultloop.drivers.observed import state
from faultloop.drivers.observed.bytecode import Body, Instruction, read, write
from faultloop.drivers.observed.kinds import CONTAINERS, METHODS

STACK_EXTRA = 8
"""How much deeper the stack may get: one copy kept, and a call with three arguments."""

_LOAD_CONST, _PUSH_NULL, _POP_TOP, _COPY, _SWAP, _CALL, _LOAD_FAST = (
    dis.opmap[name] for name in ("LOAD_CONST", "PUSH_NULL", "POP_TOP", "COPY", "SWAP", "CALL", "LOAD_FAST")
)
_PRECALL = dis.opmap.get("PRECALL")
_LOAD_CELL = _LOAD_FAST if sys.version_info >= (3, 13) else dis.opmap["LOAD_CLOSURE"]
_CACHES = {i.opcode: i.caches for i in read(compile("f(0)", "", "eval")).instructions}
_CALLED_AS_METHOD = sys.version_info >= (3, 12)
"""LOAD_ATTR says in its lowest bit whether what it loads is called; LOAD_METHOD says it in 3.11."""
_BINDS = sys.version_info >= (3, 13)
"""Beside what is called there may be nothing at all in the stack, and that cannot be copied. So a method is bound."""

_ARGUMENT_READ = {
    function.__name__
    for function in (
        (all, any, dict, enumerate, frozenset, iter, len, list, max, min, reversed, set, sorted, sum, tuple, zip)
    )
}
_ARGUMENT_WRITTEN = {
    function.__name__
    for function in (
        *(heapq.heapify, heapq.heappop, heapq.heappush, heapq.heappushpop, heapq.heapreplace),
        *(bisect.insort_left, bisect.insort_right, random.shuffle),
    )
} | {"insort"}
"""Functions that read or change the container that is their first argument."""
_CALLS = ("CALL", "CALL_KW") if _PRECALL is None else ("PRECALL",)
_IN_PLACE_MIN = 13
"""Binary operators from here on are those of augmented assignment."""


@dataclass(slots=True)
class Survey:
    """What is rebound anywhere in the observed code, by name."""

    attributes: set[str] = field(default_factory=set[str])
    globals: set[str] = field(default_factory=set[str])
    cells: set[str] = field(default_factory=set[str])

    def study(self, code: types.CodeType) -> None:
        """Add what a code object rebinds, and those in it."""
        for inner in _all_codes(code):
            self._study(inner)

    def _study(self, code: types.CodeType) -> None:
        instructions = read(code).instructions
        places = {instruction: place for place, instruction in enumerate(instructions)}
        loops = [
            (places[i.target], place)
            for i, place in places.items()
            # What CLEANUP_THROW jumps back to is the end of an await, not the start of a loop.
            if i.target and places[i.target] < place and instructions[place - 1].name != "CLEANUP_THROW"
        ]
        bound = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        for instruction, place in places.items():
            name = instruction.value
            match instruction.name:
                case "STORE_ATTR" | "DELETE_ATTR":
                    self.attributes.add(name)
                case "STORE_GLOBAL" | "DELETE_GLOBAL":
                    self.globals.add(name)
                case "STORE_DEREF" | "DELETE_DEREF":
                    is_again = any(start <= place < end for start, end in loops)
                    if name in bound or name in code.co_freevars or is_again:
                        self.cells.add(name)
                    bound.add(name)
                case _:
                    pass


def _all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all_codes(constant)


def is_observed(code: types.CodeType) -> bool:
    """Whether a code object was made by `observe`."""
    return bool(code.co_consts) and code.co_consts[-1] is _MARK


_MARK = ("faultloop", "observed")


def observe(code: types.CodeType, survey: Survey, module: types.ModuleType) -> types.CodeType:
    """The same code, reporting what it touches; the code objects in it as well. module: where its globals are."""
    constants: list[object] = [
        observe(constant, survey, module) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    ]
    body = read(code)
    _Observer(body, constants, survey, module).work()
    constants.append(_MARK)
    return write(code, body, constants=constants, stack_extra=STACK_EXTRA)


@dataclass(frozen=True, slots=True)
class _Const:
    value: object


@dataclass(frozen=True, slots=True)
class _Cell:
    place: int


_Argument = int | _Const | _Cell
"""What a call is given: what lies so deep in the stack (1: on top), a constant, or a cell."""


class _Observer:
    """Puts the calls into one body."""

    def __init__(self, body: Body, constants: list[object], survey: Survey, module: types.ModuleType) -> None:
        self._instructions = body.instructions
        self._constants = constants
        self._places: dict[tuple[type, object], int] = {}
        self._survey = survey
        self._module = module

    def work(self) -> None:
        """Visit every instruction."""
        for place, instruction in enumerate(self._instructions):
            match instruction.name:
                case "LOAD_ATTR" | "LOAD_METHOD" | "STORE_ATTR" | "DELETE_ATTR":
                    self._attribute(place, instruction)
                case "LOAD_GLOBAL" | "STORE_GLOBAL" | "DELETE_GLOBAL":
                    self._global(place, instruction)
                case "LOAD_DEREF" | "STORE_DEREF" | "DELETE_DEREF":
                    self._variable(instruction)
                case "FOR_ITER" if self._suspends(place, instruction):
                    instruction.before += self._call(state.iterated, 1)
                case "BINARY_OP" if instruction.arg >= _IN_PLACE_MIN:
                    instruction.before += self._call(state.container_written, 2)
                case name if name in _OPERATIONS:
                    instruction.before += self._call(*_OPERATIONS[name])
                case _:
                    pass

    def _attribute(self, place: int, instruction: Instruction) -> None:
        name = str(instruction.value)
        is_rebound = name in self._survey.attributes
        if instruction.name == "STORE_ATTR":
            instruction.before += self._call(state.attribute_written, 1, _Const(name), 2)
        elif instruction.name == "DELETE_ATTR":
            instruction.before += self._call(state.attribute_written, 1, _Const(name), _Const(None))
        elif instruction.name == "LOAD_METHOD" or (_CALLED_AS_METHOD and instruction.arg & 1):
            if is_rebound:
                instruction.before += self._call(state.attribute_called, 1, _Const(name))
            self._called(place, name, is_method=True)
        else:
            hook = state.attribute_read if is_rebound else state.attribute_held
            instruction.before.append(Instruction(_COPY, 1))
            instruction.after += self._call(hook, 2, _Const(name), 1)
            instruction.after += [Instruction(_SWAP, 2), Instruction(_POP_TOP)]

    def _global(self, place: int, instruction: Instruction) -> None:
        name = str(instruction.value)
        module = _Const(self._module)
        if instruction.name == "STORE_GLOBAL":
            instruction.before += self._call(state.attribute_written, module, _Const(name), 1)
        elif instruction.name == "DELETE_GLOBAL":
            instruction.before += self._call(state.attribute_written, module, _Const(name), _Const(None))
        elif instruction.arg & 1:
            if name in self._survey.globals:
                instruction.before += self._call(state.attribute_called, module, _Const(name))
            self._called(place, name, is_method=False)
        elif name in self._survey.globals:
            instruction.after += self._call(state.attribute_read, module, _Const(name), 1)
        elif issubclass(type(vars(self._module).get(name)), CONTAINERS):
            instruction.after += self._call(state.attribute_held, module, _Const(name), 1)

    def _variable(self, instruction: Instruction) -> None:
        name, cell = str(instruction.value), _Cell(instruction.arg)
        known = _Const(f"{self._module.__name__}:{name}")
        is_rebound = name in self._survey.cells
        if instruction.name == "LOAD_DEREF":
            hook = state.variable_read if is_rebound else state.variable_held
            instruction.after += self._call(hook, cell, known, 1)
        elif is_rebound:
            value: _Argument = 1 if instruction.name == "STORE_DEREF" else _Const(None)
            instruction.before += self._call(state.variable_written, cell, known, value)

    def _called(self, place: int, name: str, *, is_method: bool) -> None:
        """What is loaded here is called further on: there its container is touched."""
        hook: Callable[[Any], None] | None = None
        if name in _ARGUMENT_WRITTEN:
            hook = state.container_written
        elif name in _ARGUMENT_READ and not is_method:
            hook = state.container_read
        elif not (is_method and name in METHODS):
            return
        loaded = self._instructions[place]
        found = _call_of(self._instructions, place)
        if found is None:
            if hook is None:
                loaded.before += self._call(state.method_called, 1, _Const(name), _Const(None))
            return
        call, above, count = found
        first: _Argument = count + above if count else _Const(None)
        if hook is not None:
            call.before += self._call(hook, first) if count else []
        elif _BINDS:
            loaded.arg &= ~1
            loaded.after.append(Instruction(_PUSH_NULL))
            call.before += self._call(state.bound_called, count + above + 2, _Const(name), first)
        else:
            call.before += self._call(state.method_called, count + above + 1, _Const(name), first)

    def _suspends(self, place: int, instruction: Instruction) -> bool:
        for inner in self._instructions[place:]:
            if inner is instruction.target:
                return False
            if inner.name == "YIELD_VALUE":
                return True
        return False

    def _call(self, hook: Callable[..., None], *arguments: _Argument) -> list[Instruction]:
        """Call a hook and forget what it returns. Depths are those before the call."""
        function = [Instruction(_LOAD_CONST, self._constant(hook)), Instruction(_PUSH_NULL)]
        called = function if sys.version_info >= (3, 13) else function[::-1]
        for argument in arguments:
            match argument:
                case int():
                    called.append(Instruction(_COPY, argument + len(called)))
                case _Const(value):
                    called.append(Instruction(_LOAD_CONST, self._constant(value)))
                case _Cell(place):
                    called.append(Instruction(_LOAD_CELL, place))
        if _PRECALL is not None:
            called.append(Instruction(_PRECALL, len(arguments), caches=_CACHES[_PRECALL]))
        called.append(Instruction(_CALL, len(arguments), caches=_CACHES[_CALL]))
        called.append(Instruction(_POP_TOP))
        return called

    def _constant(self, value: object) -> int:
        key = (type(value), value)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._constants)
            self._constants.append(value)
        return place


_OPERATIONS: dict[str, tuple[Any, ...]] = {
    "BINARY_SUBSCR": (state.item_read, 2, 1),
    "STORE_SUBSCR": (state.item_written, 2, 1),
    "DELETE_SUBSCR": (state.item_deleted, 2, 1),
    "BINARY_SLICE": (state.container_read, 3),
    "STORE_SLICE": (state.container_written, 3),
    "CONTAINS_OP": (state.looked_for, 2, 1),
    "GET_ITER": (state.container_read, 1),
}
"""Per instruction: what is called before it, and where in the stack its arguments are."""


def _call_of(instructions: list[Instruction], place: int) -> tuple[Instruction, int, int] | None:
    """The call of what is loaded at this place, how much lies above its arguments (from 1), and how many there are.

    Followed through straight code and awaits only; None where arguments branch. What is returned is the place to put a
    call at: in 3.11 and 3.12 names of keyword arguments are set by an instruction of their own, just before.
    """
    depth = 0
    at = place + 1
    places: dict[Instruction, int] = {}
    while at < len(instructions):
        instruction = instructions[at]
        if instruction.name in _CALLS and depth == instruction.arg + (instruction.name == "CALL_KW"):
            start = instructions[at - 1] if instructions[at - 1].name == "KW_NAMES" else instruction
            return start, int(instruction.name == "CALL_KW"), instruction.arg
        if instruction.name == "SEND" and instruction.target is not None:
            depth += dis.stack_effect(instruction.opcode, instruction.arg, jump=True)
            places = places or {each: index for index, each in enumerate(instructions)}
            at = places[instruction.target]
            continue
        if instruction.target is not None or instruction.name.startswith(("RETURN", "RERAISE", "RAISE")):
            return None
        argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        depth += dis.stack_effect(instruction.opcode, argument, jump=False)
        if depth < 0:
            return None
        at += 1
    return None
