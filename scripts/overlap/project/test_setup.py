"""scripts/setup with other programs in front of it, so that nothing is ever installed here."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from overlap.base.machine import ROOT
from overlap.peers.build import find_peers

SETUP = ROOT / "scripts" / "setup"
DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\n'


@pytest.fixture
def place():
    """A directory that everybody may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="overlap-setup-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def set_up(place, *arguments, user=None, os_release=DEBIAN_12, programs=None, **environment):
    """Runs a copy of the script. `programs` are shell texts that stand in for commands."""
    commands = place / "bin"
    commands.mkdir(exist_ok=True)
    for name, text in {"sudo": "exit 1", "apt-get": "exit 9", **(programs or {})}.items():
        path = commands / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    for path in (SETUP, *(ROOT / "runtimes" / "peers").glob("*/peer.toml")):
        copy = place / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    release = place / "os-release"
    release.write_text(os_release)
    return subprocess.run(
        ["bash", place / "scripts" / "setup", *arguments],
        capture_output=True,
        text=True,
        cwd=place,
        user=user,
        env=os.environ
        | {"PATH": f"{commands}:/usr/bin:/bin", "OVERLAP_OS_RELEASE": str(release)}
        | environment,
    )


NOTHING_INSTALLED = {"dpkg-query": "exit 1"}
ALL_INSTALLED = {"dpkg-query": 'shift 3; for package; do echo "installed $package"; done'}
ALL_BUT_RICH = {"dpkg-query": ALL_INSTALLED["dpkg-query"] + " | grep -v python3-rich; exit 1"}


# Stand in for what brings packages from elsewhere.
FROM_ELSEWHERE = {
    "npm": 'echo "$*" >> "${0%/*}/../npm.log"',
    "apt-get": '[[ $* != *" download "* ]] || touch made-up.deb; echo "$*" >> "${0%/*}/../apt.log"',
    "dpkg-deb": 'echo "$*" >> "${0%/*}/../dpkg.log"',
}


def needed_from(source):
    """The packages that manifests name of a source; of none: of the system."""
    needs = [need for peer in find_peers() for need in peer.needs]
    return {need["package"] for need in needs if need.get("source") == source}


def somebody():
    """A user that is not root: nobody if we are root, otherwise ourselves."""
    return pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None


def test_help_installs_nothing(place):
    result = set_up(place, "--help", programs=NOTHING_INSTALLED)
    assert (
        result.returncode == 0
        and "usage: scripts/setup [--read] [--test] [--peers]" in result.stdout
    )
    assert result.stderr == ""


def test_an_unknown_option_is_refused(place):
    result = set_up(place, "--tset", programs=ALL_INSTALLED)
    assert result.returncode == 2 and "unknown option --tset" in result.stderr


def test_nothing_is_done_when_all_is_there(place):
    set_up(place, "--peers", programs=ALL_INSTALLED | FROM_ELSEWHERE)
    for arguments in ([], ["--test"], ["--peers"], ["--test", "--peers"]):
        result = set_up(place, *arguments, programs=ALL_INSTALLED)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_without_root_the_command_is_printed(place):
    result = set_up(place, user=somebody(), programs=ALL_BUT_RICH)
    assert result.returncode == 2 and result.stderr == (
        "scripts/setup: not root; run: sudo apt-get install --no-install-recommends --no-remove python3-rich\n"
    )


def test_the_packages_of_the_tests_are_asked_for_only_with_test(place):
    plain = set_up(place, user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    test = set_up(place, "--test", user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    assert "liburing-dev" in plain and "shellcheck" not in plain
    assert set(test) > set(plain) and {"shellcheck", "clang-tidy-19", "black"} <= set(test)


def test_the_packages_of_the_peers_are_asked_for_only_with_peers(place):
    needed = needed_from(None)
    plain = set_up(place, user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    peers = set_up(place, "--peers", user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    assert "python3-uvloop" in needed and "python3-uvloop" not in plain
    assert set(peers) == {*plain, *needed} and len(peers) == len(set(peers))


def test_packages_from_elsewhere_are_asked_for_once_and_not_installed(place):
    for _ in range(2):
        result = set_up(place, "--peers", programs=ALL_INSTALLED | FROM_ELSEWHERE)
        assert result.returncode == 0, result.stderr
    (modules,) = (place / "npm.log").read_text().splitlines()
    assert needed_from("npm") and modules.split()[-len(needed_from("npm")) :] == sorted(
        needed_from("npm")
    )
    commands = (place / "apt.log").read_text().splitlines()
    assert len(commands) == 4 and not any(" install " in command for command in commands)
    for source, update, download in zip(("bookworm", "bookworm-backports"), *[iter(commands)] * 2):
        assert update.endswith(" update")
        assert set(download.partition(" download ")[2].split()) == needed_from(source) != set()
    unpacked = (place / "dpkg.log").read_text().splitlines()
    assert len(unpacked) == 2 and all(line.endswith("/build/packages") for line in unpacked)
    assert [path.name for path in (place / "build/packages").iterdir() if path.is_dir()] == []


def test_what_cannot_be_had_from_elsewhere_is_said_and_skipped(place):
    result = set_up(place, "--peers", programs=ALL_INSTALLED | {"npm": "exit 1"})
    assert (
        result.returncode == 0 and result.stderr.count("peers that need them will be skipped") == 3
    )


def test_on_another_system_packages_of_debian_12_are_left_out(place):
    result = set_up(
        place,
        "--peers",
        os_release='ID=debian\nVERSION_ID="13"\n',
        programs=ALL_INSTALLED | FROM_ELSEWHERE,
    )
    assert result.returncode == 0 and not (place / "apt.log").exists()
    assert "are of Debian 12; peers that need them will be skipped" in result.stderr


def test_the_servers_are_asked_for_only_with_io(place):
    plain = set_up(place, user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    servers = set_up(place, "--io", user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    assert set(servers) - set(plain) == {
        "nginx",
        "libnginx-mod-http-echo",
        "postgresql-15",
        "python3-aiohttp",
        "python3-asyncpg",
        "python3-psycopg2",
        "golang-github-jackc-pgx-v4-dev",
    }


BROWSER_AND_NPM = ALL_INSTALLED | {"npm": 'echo "$*" >> npm.log'}


def test_the_browser_is_asked_for_only_with_browser(place):
    plain = set_up(place, user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    asked = NOTHING_INSTALLED | {"npm": "exit 1"}
    browser = set_up(place, "--browser", user=somebody(), programs=asked).stderr.split()
    assert set(browser) - set(plain) == {"chromium"}  # Who has npm keeps it.


def test_the_modules_of_the_browser_are_fetched_once(place):
    for _ in range(2):
        assert set_up(place, "--browser", programs=BROWSER_AND_NPM).returncode == 0
    (line,) = (place / "npm.log").read_text().splitlines()
    assert "playwright-core@" in line and "axe-core@" in line


def test_without_a_registry_tests_in_a_browser_are_skipped_in_words(place):
    result = set_up(place, "--browser", programs=ALL_INSTALLED | {"npm": "exit 1"})
    assert result.returncode == 0 and "tests in a browser will be skipped" in result.stderr


SUDO = {"sudo": 'shift; exec "$@"'}


def logging_apt(place, first_install_fails):
    log = place / "apt.log"
    log.touch()
    log.chmod(0o666)
    fail = (
        f"[[ $* == *install* && $(grep -c install {log}) == 1 ]] && exit 100" * first_install_fails
    )
    return log, {"apt-get": f'echo "$*" >> {log}\n{fail}\nexit 0'}


def test_sudo_without_a_password_is_used(place):
    log, apt = logging_apt(place, first_install_fails=False)
    result = set_up(place, user=somebody(), programs=ALL_BUT_RICH | SUDO | apt)
    assert result.returncode == 0, result.stderr
    (line,) = log.read_text().splitlines()
    assert line.endswith("install -y --no-install-recommends --no-remove python3-rich")
    assert "DPkg::Lock::Timeout=" in line


def test_package_lists_are_fetched_only_when_needed(place):
    log, apt = logging_apt(place, first_install_fails=True)
    result = set_up(place, user=somebody(), programs=ALL_BUT_RICH | SUDO | apt)
    assert result.returncode == 0, result.stderr
    words = [line.split() for line in log.read_text().splitlines()]
    assert ["install" in w for w in words] == [True, False, True] and "update" in words[1]


def test_a_failing_apt_fails_the_setup(place):
    result = set_up(place, user=somebody(), programs=ALL_BUT_RICH | SUDO)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("scripts/setup: apt-get could not install")


def test_reading_asks_for_no_compiler(place):
    read = set_up(place, "--read", user=somebody(), programs=NOTHING_INSTALLED).stderr.split()
    assert "python3-scipy" in read and "g++" not in read and "valgrind" not in read


@pytest.mark.parametrize(
    ("os_release", "named", "not_named"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "openjdk-21-jdk-headless", "openjdk-17-jdk-headless"),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "linux-tools-generic", "linux-perf"),
    ],
)
def test_packages_have_the_names_of_the_system(place, os_release, named, not_named):
    result = set_up(
        place, "--peers", user=somebody(), os_release=os_release, programs=NOTHING_INSTALLED
    )
    assert result.returncode == 2 and named in result.stderr.split()
    assert not_named not in result.stderr.split() and "libtbb-dev" in result.stderr.split()


@pytest.mark.parametrize(
    "os_release", ["ID=fedora\nVERSION_ID=41\n", 'ID=debian\nVERSION_ID="11"\n']
)
def test_another_distribution_is_told_what_is_needed(place, os_release):
    result = set_up(place, os_release=os_release, programs=ALL_INSTALLED)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "liburing" in result.stderr and "OVERLAP_SETUP=off" in result.stderr
    assert set_up(place, os_release=os_release, OVERLAP_SETUP="off").returncode == 0
