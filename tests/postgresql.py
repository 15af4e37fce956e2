"""A PostgreSQL server of one test run: a cluster in a temporary folder, reached by a Unix socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg


class PostgreSql:
    """A running server. Each database is a test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._pid_file = self._data / "postmaster.pid"
        self._made = 0

    def new_database(self, *options: str) -> str:
        """The SQLAlchemy URL of an empty database, made with options of CREATE DATABASE."""
        self._made += 1
        name = f"test{self._made}"
        self.run(f"CREATE DATABASE {name} {' '.join(options)}")
        return self.url(name)

    def new_schema(self) -> str:
        """The SQLAlchemy URL of a database that looks empty: a schema of its own, which costs less."""
        self._made += 1
        self.run(f"CREATE SCHEMA test{self._made}")
        return f"{self.url('postgres')}&options=-csearch_path%3Dtest{self._made}"

    def url(self, name: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{name}?host={self.folder}"

    def run(self, statement: LiteralString, database: str = "postgres") -> None:
        """As its administrator."""
        where = f"host={self.folder} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Returns once it answers."""
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off "
            "-c max_connections=40"
        )
        _run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        if not self._pid_file.exists():
            return
        _run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def kill(self) -> None:
        """As kill -9 of the server: its processes follow, nothing is written."""
        pid = self._pid_file.read_text("ascii").splitlines()[0]
        processes = [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        until = time.monotonic() + 20
        while any(map(_is_alive, processes)):  # their shared memory is free only then
            assert time.monotonic() < until, "PostgreSQL outlives kill -9"
            time.sleep(0.01)
        # As at the next boot of a machine: here nobody may have seen its end, and its number be taken.
        for file in (self._pid_file, self.folder / ".s.PGSQL.5432.lock"):
            file.unlink()


@contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    """Without a password and without a TCP port: whoever may read the folder may use it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    try:
        _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server = PostgreSql(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = str(found[-1]) if found else shutil.which(program)
    assert path, f"{program} is missing; run tools/test-packages.sh"
    # The server refuses to run as root, as which containers test.
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    command = [*(as_postgres if os.getuid() == 0 else []), path, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, f"{program}: {done.stderr[-1000:]}"


def _is_alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
