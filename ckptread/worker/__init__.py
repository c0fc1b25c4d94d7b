"""Runs a C library that parses untrusted bytes in a child process, with limits and a deadline.

A crafted file can make such a library crash, hang, open other files or take all memory, so it is never loaded into
the user's process.

- ``parent``: starts a worker, asks it questions, and ends it.
- ``child``: takes limits on itself, and answers questions.
- ``protocol``: the messages between the two.
"""
