"""Correct programs: what a search for failures must not complain of.

Each program is an async function without arguments that asserts what its primitive promises. It is correct under each
of these, and under two or three of them in one run:

    a cancellation   of any task at any await, the program's own task included: then it ends in that cancellation
    a deadline       that fires although the answer was on its way
    an order         in which tasks that became ready in the same turn run

A cancelled task may leave its own work undone. What it may not do is harm others: lose a permit, a job that somebody
else could do, a wake-up that was meant for the next one; nor may anybody wait for it without a deadline or an end.
"""
