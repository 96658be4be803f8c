"""Both commands on a machine that has nothing: a minimal Debian of its own, made by debootstrap, in
which the committed tree is cloned, and scripts/run and scripts/test do all of their set-up.

All that is mounted is mounted in a namespace that ends with the processes in it, so that nothing is
left mounted, however this ends: mount_namespaces(7).
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT

RELEASES = ("bookworm", "trixie")
MIRROR = "http://deb.debian.org/debian"
KEPT = ("http_proxy", "https_proxy", "no_proxy")  # Of the environment; all else is the new root's.
NAMESPACE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]

INSIDE = """
mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev" || exit 2
shift
exec "$@"
"""
COMMANDS = """
cd /root/overlap || exit 2
run=0 test=0
./scripts/run || run=$?
./scripts/test || test=$?
echo "scripts/run ended with $run, scripts/test with $test"
exit $((run > test ? run : test))
"""


def run_fresh(release: str) -> int:
    """Prints what the commands print and, as the last line, their exit codes, of which it returns the
    larger. Raises UsageError where there can be no such root."""
    if os.geteuid() != 0:
        raise UsageError(
            f"--fresh makes a root of its own: run it as root, sudo {shlex.join(sys.argv)}"
        )
    for tool in ("debootstrap", "unshare"):
        if not shutil.which(tool):
            raise UsageError(f"--fresh needs {tool}; run scripts/setup --fresh")
    root = Path(tempfile.mkdtemp(prefix=f"overlap-{release}-", dir="/var/tmp"))
    try:
        return _run_in(root, release)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _run_in(root: Path, release: str) -> int:
    print(f"making a minimal {release} in {root}", file=sys.stderr)
    debootstrap = ["debootstrap", "--variant=minbase", "--include=git", release, str(root), MIRROR]
    log = root.with_suffix(".log")
    with open(log, "wb") as output:
        made = subprocess.run([*NAMESPACE, *debootstrap], stdout=output, stderr=output)
    if made.returncode != 0:
        raise UsageError(f"--fresh: debootstrap failed with {made.returncode}; see {log}")
    log.unlink()
    clone = ["git", "clone", "--quiet", f"file://{ROOT}", str(root / "root" / "overlap")]
    subprocess.run(clone, check=True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    chroot = ["chroot", str(root), "bash", "-c", COMMANDS]
    inside = [*NAMESPACE, "bash", "-c", INSIDE, "inside", str(root), *chroot]
    return subprocess.run(inside, env=environment).returncode
