"""Runs a PostgreSQL server for as long as whoever started this process is there, and leaves nothing behind.

    python postgres_keeper.py FOLDER_WITH_BIN [SETTING=VALUE …]

Prints the server's port and its folder once it answers, then waits for the end of its standard input: that comes
however the other side ends, killed as well. Needs no right but to run programs: where it is root, the server is
`nobody`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

USER = "nobody"
START_SECONDS = 30.0
PORTS_TRIED = 20
# Nothing that a test stores has to outlive the machine.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=50", "shared_buffers=16MB")


def unprivileged() -> dict[str, Any]:
    """How to start a program of the server's: it refuses to be run by root."""
    if os.geteuid():
        return {}
    import pwd

    user = pwd.getpwnam(USER)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def reachable(installed: Path, scratch: Path) -> Path:
    """The server's programs where its user can run them: in their place, or a copy."""
    try:
        version: list[str | Path] = [installed / "bin" / "postgres", "--version"]
        subprocess.run(version, check=True, capture_output=True, cwd="/", **unprivileged())
    except (OSError, subprocess.CalledProcessError):
        copy = scratch / "package" / "postgres"
        shutil.copytree(installed, copy, symlinks=True)
        # A wheel's programs look for libraries beside the package that they are in.
        for libraries in installed.parent.parent.glob(f"{installed.parent.name}.libs"):
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        return copy
    return installed


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody lets us in there who takes part in PostgreSQL's protocol: one that still starts refuses."""
    wanted = b"\x00\x03\x00\x00" + b"user\x00postgres\x00database\x00postgres\x00\x00"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as asked:
            asked.sendall((len(wanted) + 4).to_bytes(4, "big") + wanted)
            return asked.recv(1) == b"R"
    except OSError:
        return False


def started(installed: Path, data: Path, log: Path, chosen: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """A server that answers, and its port: another process may take a free port before the server does."""
    for _ in range(PORTS_TRIED):
        port = free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *chosen]
        command: list[str | Path] = [installed / "bin" / "postgres", "-D", data]
        for setting in settings:
            command += ["-c", setting]
        with log.open("w") as written:
            server: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdout=written, stderr=written, cwd=data, **unprivileged()
            )
        end = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < end:
            if answers(port):
                return server, port
            time.sleep(0.02)
        if server.poll() is None:
            server.kill()
            server.wait()
    raise SystemExit(f"PostgreSQL does not start:\n{log.read_text()}")


def keep(installed: Path, chosen: Sequence[str]) -> None:
    """Run a server until standard input ends."""
    scratch = Path(tempfile.mkdtemp(prefix="faultloop-postgres-"))
    try:
        data, log = scratch / "data", scratch / "log"
        as_user = unprivileged()
        if as_user:
            os.chown(scratch, as_user["user"], as_user["group"])
        installed = reachable(installed, scratch)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        initdb: list[str | Path] = [installed / "bin" / "initdb", "-D", data, *options]
        made = subprocess.run(initdb, capture_output=True, text=True, cwd="/", **as_user)
        if made.returncode:
            raise SystemExit(f"initdb failed:\n{made.stdout}{made.stderr}")
        server, port = started(installed, data, log, chosen)
        try:
            print(port, scratch, flush=True)
            sys.stdin.read()
        finally:
            server.send_signal(signal.SIGINT)  # ends its sessions, and itself
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interruption, signal.SIG_IGN)
    keep(Path(sys.argv[1]), sys.argv[2:])
