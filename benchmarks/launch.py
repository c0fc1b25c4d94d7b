"""Run one command, and print its seconds, its exit code, the peak MiB of its largest process, and processor seconds.

This is a small separate process, because the memory of the process that starts a command counts until the command is
loaded. The peak is what the kernel reports for the command and every process that it waited for (wait4(2)).
"""

import os
import sys
import time


def main() -> None:
    """Run the command in the arguments after the first; the first names the file for its output."""
    output, *command = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds, processor = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    print(seconds, os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024, processor)


main()
