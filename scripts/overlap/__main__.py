"""Runs the command whose module is named. An interrupt that comes while the interpreter starts or modules are
imported waits until they are: some, numpy among them, make errors of their own of it. The commands in
scripts/ hold it back until here. Standard streams that are closed are held before that, too, since a file
that a module opens would be one of them, and the stream gone when it closes the file."""

import signal
import sys

try:
    from overlap.base.exits import hold_standard_streams

    hold_standard_streams()
    from importlib import import_module

    sys.argv.pop(0)
    command = import_module(sys.argv[0])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    status = command.main(sys.argv[1:])
except KeyboardInterrupt:
    status = 130  # As overlap.base.exits has it.
sys.exit(status)
