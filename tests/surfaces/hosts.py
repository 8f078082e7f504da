"""The same tests for everybody who runs async tests: one is sound, one leaks, one fails, one hangs.

`leaks` passes calmly. Cancelled at its only await it lets the cancellation through and leaves something taken behind.
"""

from dataclasses import dataclass

BODY = """
import pytest

LOG = []

{mark}
async def test_sound(tmp_path, resource):
    LOG.append(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "made").write_text("once")
    assert resource == "ready"
    await {sleep}(3600)

{mark}
async def test_leaks(faultloop, resource):
    taken = []
    faultloop.invariant("nothing is taken", lambda: not taken)
    taken.append(1)
    await {sleep}(1)
    taken.pop()

{mark}
async def test_fails(resource):
    await {sleep}(1)
    assert 1 + 1 == 3

{mark}
async def test_hangs(resource):
    await {hang}
"""

UNITTEST = """
import asyncio
import unittest

class TestCase(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(3)
        self.resource = "ready"

    async def asyncTearDown(self):
        await asyncio.sleep(3)

    async def test_sound(self):
        assert self.resource == "ready" and not hasattr(self, "used")
        self.used = True
        await asyncio.sleep(3600)

    async def test_leaks(self):
        taken = [1]
        try:
            await asyncio.sleep(1)
            taken.pop()
        except asyncio.CancelledError:
            pass
        self.assertEqual(taken, [])

    async def test_fails(self):
        await asyncio.sleep(1)
        self.assertEqual(1 + 1, 3)

    async def test_hangs(self):
        await asyncio.Event().wait()
"""

FIXTURE = """
@{fixture}
async def resource():
    await {sleep}(3)
    yield "ready"
    await {sleep}(3)
"""

PLAIN_FIXTURE = """
@pytest.fixture
def resource():
    return "ready"
"""

BACKEND = """
@pytest.fixture
def anyio_backend():
    return "{backend}"
"""


@dataclass(frozen=True)
class Host:
    """Who runs the tests. ids: what their names end in.   words: of a failure that only a cancellation shows."""

    name: str
    source: str
    prefix: str = "test_it.py::"

    def node(self, test: str) -> str:
        """The node id of one of the tests."""
        return self.prefix + test


def _source(imports: str, mark: str, sleep: str, hang: str, fixture: str, backend: str = "") -> str:
    made = FIXTURE.format(fixture=fixture, sleep=sleep) if fixture else PLAIN_FIXTURE
    around = BACKEND.format(backend=backend) if backend else ""
    return f"import pytest\n{imports}\n" + around + made + BODY.format(mark=mark, sleep=sleep, hang=hang)


HOSTS = (
    Host(
        "anyio-asyncio",
        _source(
            "import anyio", "@pytest.mark.anyio", "anyio.sleep", "anyio.Event().wait()", "pytest.fixture", "asyncio"
        ),
    ),
    Host(
        "anyio-trio",
        _source("import anyio", "@pytest.mark.anyio", "anyio.sleep", "anyio.Event().wait()", "pytest.fixture", "trio"),
    ),
    Host(
        "pytest-asyncio",
        _source(
            "import asyncio\nimport pytest_asyncio",
            "@pytest.mark.asyncio",
            "asyncio.sleep",
            "asyncio.Event().wait()",
            "pytest_asyncio.fixture",
        ),
    ),
    Host(
        "pytest-trio",
        _source("import trio", "@pytest.mark.trio", "trio.sleep", "trio.Event().wait()", "pytest.fixture"),
    ),
    Host("unittest", UNITTEST, "test_it.py::TestCase::"),
    Host("nobody", _source("import asyncio", "", "asyncio.sleep", "asyncio.Event().wait()", "")),
)
