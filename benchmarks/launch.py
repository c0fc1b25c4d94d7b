"""Runs one command and tells what it took, on stdout: seconds, exit code, peak MiB of its largest process.

A process of its own, and a small one: what starts a command counts for its peak until the command is loaded. The
peak is the kernel's own account of the command and of every process that it waited for (wait4(2)).
"""

import os
import sys
import time


def main() -> None:
    """Run the command that the arguments are, its output going to the file that the first argument names."""
    output, *command = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    print(time.perf_counter() - started, os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024)


main()
