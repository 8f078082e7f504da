"""What is said to a program that asks of a simulated socket what only the operating system could do."""

from __future__ import annotations

from faultloop.errors import EscapeRefused


def would_wait(what: str) -> EscapeRefused:
    """A call that waits, and keeps the loop from running."""
    return EscapeRefused(
        f"a blocking {what} on a simulated socket would wait for ever: the network moves only while the loop runs. "
        'Make it non-blocking and use the loop, or run with io="loopback"',
        code="FL303",
    )


def not_the_systems(what: str) -> EscapeRefused:
    """A call that hands out the descriptor."""
    return EscapeRefused(
        f'{what}() of a simulated socket: its descriptor is not the operating system\'s. Run with io="loopback"',
        code="FL304",
    )
