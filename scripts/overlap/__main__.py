"""Runs the command whose module is named: an interrupt is one line while it is still imported, too."""

import sys

try:
    from importlib import import_module

    sys.argv.pop(0)
    status = import_module(sys.argv[0]).main(sys.argv[1:])
except KeyboardInterrupt:
    status = 130  # As overlap.base.exits has it.
sys.exit(status)
