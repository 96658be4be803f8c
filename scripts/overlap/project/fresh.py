"""Both commands on a machine that has nothing: a minimal Debian of its own, made by debootstrap, in
which the committed tree is cloned, and scripts/run and scripts/test do all of their set-up.

All that is mounted is mounted in a namespace that ends with the processes in it, so that nothing is
left mounted, however this ends: mount_namespaces(7).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT
from overlap.base.processes import nothing_left_behind

RELEASES = ("bookworm", "trixie")
MIRROR = "http://deb.debian.org/debian"
KEPT = ("http_proxy", "https_proxy", "no_proxy")  # Of the environment; all else is the new root's.
NAMESPACE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]

# The root is a mount of its own, as roots are: what unshares a namespace in it relies on that.
INSIDE = """
mount --bind "$1" "$1" || exit 2
mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev" || exit 2
exec chroot "$1" bash -c "$2"
"""
COMMANDS = """
cd /srv/overlap || exit 2
run=0 test=0
./scripts/run || run=$?
set -o pipefail
./scripts/test | tee /tmp/test.log || test=$?
echo "scripts/run ended with exit code $run, scripts/test with exit code $test and"
tail -n 1 /tmp/test.log
exit $((run > test ? run : test))
"""


def run_fresh(release: str, keep: bool = False) -> int:
    """Prints what the commands print, then their exit codes and, as the last line, that of the tests.
    Returns the larger exit code; when it is interrupted it cleans up first. With `keep` the root stays, without
    its mounts. Raises UsageError where there can be no such root."""
    if os.geteuid() != 0:
        raise UsageError(f"not root; run: sudo ./scripts/test --fresh {release}")
    for tool in ("debootstrap", "unshare"):
        if not shutil.which(tool):
            raise UsageError(f"--fresh needs {tool}; run scripts/setup --fresh")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    root = Path(tempfile.mkdtemp(prefix=f"overlap-{release}-", dir="/var/tmp"))
    root.chmod(0o755)  # Who is not root there enters it, too.
    try:
        with nothing_left_behind():
            return _run_in(root, release)
    finally:
        if keep:
            print(f"kept: {root}", file=sys.stderr)
        else:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # Impatience must not leave half of it.
            shutil.rmtree(root, ignore_errors=True)


def _run_in(root: Path, release: str) -> int:
    proxies = {name: os.environ[name] for name in KEPT if name in os.environ}
    if proxy := _said_by("apt-config", "--format", "%v%n", "dump", "Acquire::http::Proxy"):
        proxies["http_proxy"] = proxy
    mirror = _mirror()
    print(f"making a minimal {release} in {root} from {mirror}", file=sys.stderr)
    include = "git,ca-certificates" if mirror.startswith("https:") else "git"
    minimal = ["debootstrap", "--variant=minbase", f"--include={include}", release, root, mirror]
    # Mounts of its own would outlive it when it is interrupted.
    made = subprocess.run(
        [*NAMESPACE, *minimal],
        env=os.environ | proxies,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if made.returncode != 0:
        sys.stderr.write(made.stdout.decode(errors="replace"))
        raise UsageError(f"debootstrap failed with {made.returncode}; see above")
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", root / "srv/overlap"], check=True)
    environment = proxies | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    inside = [*NAMESPACE, "bash", "-c", INSIDE, "inside", root, COMMANDS]
    return subprocess.run(inside, env=environment).returncode


def _mirror() -> str:
    """Where this machine's apt gets Debian; where it does not, Debian's own address."""
    indexes = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    return _said_by("apt-get", "indextargets", "--format", "$(REPO_URI)", *indexes) or MIRROR


def _said_by(*command: str) -> str:
    """The first line that it prints; nothing if it cannot be started."""
    try:
        said = subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ""
    return next(iter(said.split()), "")
