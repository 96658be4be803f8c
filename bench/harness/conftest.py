"""What the tests of the benchmark binaries share."""

import pytest

SMALL = """
[sleeps.few]
tasks = 4
delay_s = 0.01
[gather.few]
fan_out = 20
work = 10
[gather.tree]
fan_out = 3
depth = 3
[echo.few]
connections = 3
messages = 20
bytes = 1000
[heartbeat.few]
tasks = 2
work = 1000
parts = 3
beats = 5
interval_s = 0.001
[mix.few]
tasks = 4
rounds = 2
wait_s = 0.001
work = 1000
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
