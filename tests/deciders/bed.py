"""A test bed for strategies: programs as plain data, run without a loop.

A task is a list of steps. A step waits at a site, needs some flags (events that were set, a lock that is free), touches
objects, and may set a flag, take or give back a lock, or make tasks. Task 1 makes all others in its first step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from faultloop.deciders.looking import LookingDecider, Offers, Strategy, Touch

STEPS_MAX = 10_000
HOLD = 2


@dataclass(frozen=True)
class Do:
    """One step. site: where the task waits before it.   needs, sets: flags.   takes, gives: locks."""

    site: int
    touches: tuple[Touch, ...] = ()
    needs: str = ""
    sets: str = ""
    takes: str = ""
    gives: str = ""


@dataclass
class Ran:
    """What a run came to: the ordinals of the tasks, step by step; how many questions; whether it got stuck."""

    schedule: list[int] = field(default_factory=list)
    touches: list[tuple[int, int, tuple[Touch, ...]]] = field(default_factory=list)
    questions: int = 0
    is_stuck: bool = False


Program = Sequence[Sequence[Do]]


def run(program: Program, decider: LookingDecider, *, offers: Offers = "all") -> Ran:
    """Run a program; checks that every answer is one of the options.

    offers: all that is ready · what is left of a turn, which begins with all that is ready when the last is over · by a
    rule of its own, that who was passed over HOLD times in a row goes next, without a question.
    """
    ran, flags, locks = Ran(), set[str](), set[str]()
    decider.made(1)
    for task in range(2, len(program) + 2):
        decider.made(task)
    decider.ran(1, 0, [])
    ran.schedule.append(1)
    left = {task: list(steps) for task, steps in enumerate(program, start=2) if steps}
    ready = list(left)
    turn: list[int] = []
    passed = dict.fromkeys(left, 0)
    while left:
        assert len(ran.schedule) < STEPS_MAX
        able = [task for task in ready if is_able(left[task][0], flags, locks)]
        if not able:
            ran.is_stuck = True
            return ran
        if offers == "turn":
            able = turn = [task for task in turn if task in able] or able
        elif offers == "some":
            able = [task for task in able if passed[task] >= HOLD][:1] or able
        index = 0
        if len(able) > 1:
            index = decider.pick(able, [left[task][0].site for task in able])
            assert 0 <= index < len(able), (index, able)
            ran.questions += 1
        task = able[index]
        for other in able:
            passed[other] = 0 if other == task else passed[other] + 1
        turn = [other for other in turn if other != task]
        step = left[task].pop(0)
        flags |= {step.sets} - {""}
        locks = (locks | {step.takes} - {""}) - {step.gives}
        decider.ran(task, step.site, list(step.touches))
        ran.schedule.append(task)
        ran.touches.append((task, step.site, step.touches))
        ready.remove(task)  # who ran waits behind the others, as with asyncio
        if left[task]:
            ready.append(task)
        else:
            del left[task]
    return ran


def is_able(step: Do, flags: set[str], locks: set[str]) -> bool:
    """Whether nothing keeps the step from running."""
    return (not step.needs or step.needs in flags) and (not step.takes or step.takes not in locks)


def runs(program: Program, strategy: Strategy, count: int, *, offers: Offers = "all") -> Iterator[Ran]:
    """At most `count` runs, fewer if the strategy is exhausted."""
    for _ in range(count):
        decider = strategy.decider()
        ran = run(program, decider, offers=offers)
        strategy.learn(decider, failed=ran.is_stuck)
        yield ran
        if strategy.is_exhausted:
            return


def line(task: int, length: int, *touches: Touch) -> list[Do]:
    """A straight line of steps at sites of its own, all with the same touches."""
    return [Do(site=100 * task + place + 1, touches=touches) for place in range(length)]


def classes_of(ran: Ran) -> frozenset[tuple[int, int, tuple[tuple[Touch, int], ...]]]:
    """The happens-before class of a run: each step with how many conflicting touches came before it, by task.

    Found without any strategy's own bookkeeping: per step, the set of conflicting steps before it.
    """
    found = set()
    counts: dict[int, int] = {}
    earlier: list[tuple[int, int, tuple[Touch, ...]]] = []
    for task, _, touches in ran.touches:
        place = counts[task] = counts.get(task, 0) + 1
        before = tuple(
            (touch, sum(1 << (other * 6 + nth) for other, nth, theirs in earlier if conflicts(touch, theirs)))
            for touch in touches
        )
        found.add((task, place, before))
        earlier.append((task, place, touches))
    return frozenset(found)


def conflicts(touch: Touch, theirs: tuple[Touch, ...]) -> bool:
    """Whether one of their touches is of the same object, and either writes."""
    return any(number == touch[0] and (is_write or touch[1]) for number, is_write in theirs)


READ, WRITE = (7, False), (7, True)

LOCKS_IN_OPPOSITE_ORDER: Program = [
    [
        Do(1, takes="a", touches=((1, True),)),
        Do(2, takes="b", touches=((2, True),)),
        Do(3, gives="a"),
        Do(4, gives="b"),
    ],
    [
        Do(5, takes="b", touches=((2, True),)),
        Do(6, takes="a", touches=((1, True),)),
        Do(7, gives="b"),
        Do(8, gives="a"),
    ],
]
"""Gets stuck when each task has taken its first lock."""

MIXED: Program = [
    line(2, 3, WRITE),
    line(3, 2, READ),
    line(4, 2),
    [Do(9, needs="go"), Do(10, touches=(WRITE,))],
    [Do(11, sets="go")],
]
"""Some of everything."""
