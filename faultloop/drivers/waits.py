"""How a wait is told: what would let it go on."""

from __future__ import annotations

MAX_LINES = 30

NEEDS = {
    "Queue.get": "put()",
    "Queue.put": "get()",
    "Queue.join": "task_done()",
    "Lock.acquire": "release()",
    "Semaphore.acquire": "release()",
    "Event.wait": "set()",
    "Condition.wait": "notify()",
    "CapacityLimiter.acquire": "release()",
    "MemoryObjectReceiveStream.receive": "send()",
    "MemoryObjectSendStream.send": "receive()",
    "Future": "set_result()",
}
