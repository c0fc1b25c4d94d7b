"""A pytest plugin: writes down every message that the suite provokes, so that two versions can be read side by side.

    CKPTREAD_MESSAGES=messages.txt python -m pytest -p tests.record_messages

A line is a test, a kind and a message, separated by tabs. The messages are what commands print to standard error, in
this process or in one of their own, and the text of every CheckpointError. Folders of tests are written as TMP.
"""

import os
import re
import subprocess
import tempfile

from _pytest.capture import CaptureFixture

from ckptread import errors

FILE = os.environ.get("CKPTREAD_MESSAGES", "")
SEEN: set[str] = set()
FOLDER = re.compile(rf"{os.path.realpath(tempfile.gettempdir())}/pytest-of-[^/]+/pytest-\d+/(popen-gw\d+/)?[^/\s:']+")


def record(kind, text):
    """Append each line of a text, once it says the same on every machine and in every run."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "?").rpartition(" (")[0].rpartition("::")[2]
    lines = [f"{test}\t{kind}\t{FOLDER.sub('TMP', line)}\n" for line in text.splitlines() if line.strip()]
    new = [line for line in dict.fromkeys(lines) if line not in SEEN]
    SEEN.update(new)
    with open(FILE, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write("".join(new))


def pytest_configure():
    """Watch from here on, where a file is named."""
    if FILE:
        watch_errors()
        watch_capture()
        watch_processes()


def watch_errors():
    made = errors.CheckpointError.__init__

    def remember(self, *arguments, **options):
        made(self, *arguments, **options)
        record(type(self).__name__, str(self))

    errors.CheckpointError.__init__ = remember


def watch_capture():
    read = CaptureFixture.readouterr

    def remember(self):
        found = read(self)
        record("stderr", found.err if isinstance(found.err, str) else found.err.decode(errors="backslashreplace"))
        return found

    CaptureFixture.readouterr = remember


def watch_processes():
    communicate = subprocess.Popen.communicate

    def remember(self, *arguments, **options):
        out, err = communicate(self, *arguments, **options)
        if err and "ckptread" in str(self.args):
            record("stderr", err if isinstance(err, str) else err.decode(errors="backslashreplace"))
        return out, err

    subprocess.Popen.communicate = remember


def pytest_report_header():
    return f"messages are written to {FILE}" if FILE else None
