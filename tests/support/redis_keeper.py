"""Runs a Redis server for as long as whoever started this process is there, and leaves nothing behind.

    python redis_keeper.py SERVER

Prints the server's port and its folder once it answers, then waits for the end of its standard input: that comes
however the other side ends, killed as well.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS = 30.0
PORTS_TRIED = 20


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def process_at(port: int) -> int | None:
    """The process id of the Redis that answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as asked:
            asked.sendall(b"INFO server\r\n")
            told = asked.recv(65536).decode("utf-8", "replace")
    except OSError:
        return None
    found = [line.partition(":")[2] for line in told.splitlines() if line.startswith("process_id:")]
    return int(found[0]) if found else None


def started(program: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server that answers, and its port: another process may take a free port before the server does."""
    log = folder / "log"
    for _ in range(PORTS_TRIED):
        port = free_port()
        # Nothing that a test stores has to outlive the server.
        settings = [
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(folder),
        ]
        with log.open("w") as written:
            server: subprocess.Popen[bytes] = subprocess.Popen([program, *settings], stdout=written, stderr=written)
        end = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < end:
            if process_at(port) == server.pid:
                return server, port
            time.sleep(0.02)
        if server.poll() is None:
            server.kill()
            server.wait()
    raise SystemExit(f"Redis does not start:\n{log.read_text()}")


def keep(program: Path) -> None:
    """Run a server until standard input ends."""
    folder = Path(tempfile.mkdtemp(prefix="faultloop-redis-"))
    try:
        server, port = started(program, folder)
        try:
            print(port, folder, flush=True)
            sys.stdin.read()
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interruption, signal.SIG_IGN)
    keep(Path(sys.argv[1]))
