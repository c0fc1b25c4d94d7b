"""Runs a command, and writes into a file how it ended: ``python -I -S measured.py RESULT COMMAND...``.

A process counts the memory of the one that it was forked from as its own. So this small one forks, not the tests.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    result, *command = sys.argv[1:]
    started = time.monotonic()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    with open(result, "w", encoding="utf-8") as file:
        json.dump([os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime,
                   time.monotonic() - started], file)  # fmt: skip
