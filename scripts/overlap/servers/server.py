"""A server process that does not outlive this one, whatever ends it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.base.processes import ending_with_parent

STARTING_DEADLINE_S = 30.0
ENDING_DEADLINE_S = 10.0
UNPRIVILEGED = "nobody"  # Who servers run as when this process is root's.
LOOPBACK = "127.0.0.1"


class StartError(Exception):
    """A server that does not start, in one line."""


@dataclass
class Server:
    """`end_signal` makes it end at once and tidy up: what it is sent in the end, and by the kernel when
    this process is gone before."""

    package: str
    folder: Path
    end_signal: signal.Signals
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(
        self,
        command: Sequence[str | Path],
    ) -> None:
        """Returns at once; see wait_until_ready()."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C is for this process, which then ends the server.
                # Called after the change of user, which would take it back.
                preexec_fn=ending_with_parent(self.end_signal),
                **user_options(),
            )

    def wait_until_ready(self) -> None:
        """Raises StartError with what the server said last."""
        assert self.process
        deadline = time.monotonic() + STARTING_DEADLINE_S
        while not self.answers():
            if self.process.poll() is not None:
                raise StartError(f"{self.package} does not start: {self.last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise StartError(
                    f"{self.package} does not answer within {STARTING_DEADLINE_S:g} s: "
                    f"{self.last_words()}"
                )
            time.sleep(0.005)

    def answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1):
                return True
        except OSError:
            return False

    def last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def stop(self, how: signal.Signals | None = None) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how or self.end_signal)
        try:
            self.process.wait(ENDING_DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def user_options() -> dict[str, object]:
    """For subprocess: neither nginx nor PostgreSQL are to run as root."""
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(UNPRIVILEGED)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def own_folder(path: Path) -> Path:
    """A folder that exists and is the server's own. Raises UsageError if its user cannot get there."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return path
    shutil.chown(path, UNPRIVILEGED, pwd.getpwnam(UNPRIVILEGED).pw_gid)
    enter = subprocess.run(["test", "-w", str(path)], check=False, **user_options())
    if enter.returncode != 0:
        raise UsageError(
            f"{path}: servers run as {UNPRIVILEGED}, who may not get there; use a checkout in a folder "
            "that everybody may enter, or do not run as root"
        )
    return path


def start_on_chosen_port(server: Server, command_for: Callable[[int], list[str | Path]]) -> None:
    """Starts it on a port that the kernel has chosen. Neither nginx nor PostgreSQL takes port 0, so
    between our asking and its listening somebody else may have taken the port: then on another."""
    for left in reversed(range(5)):
        with socket.create_server((LOOPBACK, 0)) as listener:
            server.port = listener.getsockname()[1]
        server.start(command_for(server.port))
        try:
            return server.wait_until_ready()
        except StartError:
            if left == 0 or "Address already in use" not in server.log.read_text(errors="replace"):
                raise
