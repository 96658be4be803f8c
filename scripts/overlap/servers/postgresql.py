"""PostgreSQL, with the accounts that its own pgbench makes and queries."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from overlap.servers.items import ACCOUNTS
from overlap.servers.server import (
    LOOPBACK,
    STARTING_DEADLINE_S,
    Server,
    StartError,
    own_folder,
    start_on_chosen_port,
    user_options,
)

PACKAGE = "postgresql-15"  # Or a later one, where the system has that instead.
VERSIONS = Path("/usr/lib/postgresql")
PROGRAMS = max(VERSIONS.glob("*/bin"), default=VERSIONS / "15" / "bin")
TRUSTED = "overlap"  # A user without a password, whose database has the same name.
WITH_PASSWORD = "overlap_scram"  # The same with one.
PASSWORD = "correct horse"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "128MB",
    "fsync": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    "password_encryption": "scram-sha-256",
}
HOSTS = f"""\
host all {WITH_PASSWORD} {LOOPBACK}/32 scram-sha-256
host all all {LOOPBACK}/32 trust
"""
# What the accounts have: something that differs from one to the next, and that clients know.
STATEMENTS = f"""\
UPDATE pgbench_accounts SET abalance = aid::bigint * 2654435761 % 2147483647;
VACUUM (FULL, ANALYZE) pgbench_accounts;
CREATE USER {WITH_PASSWORD} PASSWORD '{PASSWORD}';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {WITH_PASSWORD};
CHECKPOINT;
"""


def missing() -> str:
    """The package that is needed; empty if it is here."""
    return "" if (PROGRAMS / "postgres").exists() else PACKAGE


def url(server: Server, user: str = TRUSTED) -> str:
    return f"postgresql://{user}@{LOOPBACK}:{server.port}/{TRUSTED}"


def start(folder: Path) -> Server:
    """Starts it on its data, which is made first where there is none, or was made in another way."""
    own_folder(folder)
    data = folder / "data"
    finished = folder / "made_by"
    recipe = hashlib.sha256(f"{HOSTS}{STATEMENTS}{ACCOUNTS}{version()}".encode()).hexdigest()
    if not finished.exists() or finished.read_text(encoding="utf-8") != recipe:
        finished.unlink(missing_ok=True)
        make_data(folder, data)
        finished.write_text(recipe, encoding="utf-8")
    return start_on(folder, data)


def start_on(folder: Path, data: Path) -> Server:
    # SIGQUIT is its immediate shutdown, which leaves no lock file and no shared memory.
    server = Server(PACKAGE, folder, signal.SIGQUIT)
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    start_on_chosen_port(
        server, lambda port: [PROGRAMS / "postgres", "-D", data, "-p", str(port), *options]
    )
    wait_until_it_takes_queries(folder, server)
    server.settings = {"version": version()} | SETTINGS
    return server


def make_data(folder: Path, data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    run(
        folder,
        "initdb",
        "-D",
        data,
        "-U",
        "overlap",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    )
    (data / "pg_hba.conf").write_text(HOSTS, encoding="utf-8")
    server = start_on(folder, data)
    try:
        run(folder, "createdb", dsn_of_maintenance(server), TRUSTED)
        run(folder, "pgbench", "-i", "-q", "-s", str(ACCOUNTS // 100_000), url(server))
        run(folder, "psql", "-q", "-v", "ON_ERROR_STOP=1", url(server), text=STATEMENTS)
    finally:
        stop(server)


def stop(server: Server) -> None:
    """Orderly, for the next start to find nothing to recover."""
    server.stop(signal.SIGINT)


def dsn_of_maintenance(server: Server) -> str:
    return f"--maintenance-db=postgresql://{TRUSTED}@{LOOPBACK}:{server.port}/postgres"


def wait_until_it_takes_queries(folder: Path, server: Server) -> None:
    """It listens before it has recovered, and refuses until then."""
    deadline = time.monotonic() + STARTING_DEADLINE_S
    while True:
        try:
            return run(folder, "pg_isready", "-q", "-h", LOOPBACK, "-p", str(server.port))
        except StartError:
            if time.monotonic() > deadline:
                server.stop()
                raise
            time.sleep(0.01)


def run(folder: Path, program: str, *arguments: str | Path, text: str = "") -> None:
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        check=False,
        **user_options(),
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise StartError(f"{PACKAGE}: {program} failed: {last}")


def version() -> str:
    said = subprocess.run(
        [PROGRAMS / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.strip().rpartition("PostgreSQL) ")[2]
