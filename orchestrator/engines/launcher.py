"""Executes a program that ends with its parent: `launcher.py PARENT SIGNAL USER PROGRAM…`.

Run as a script; it imports nothing of the project. The child itself has to ask the kernel for
the signal (PR_SET_PDEATHSIG), after it has changed its user, and running Python between fork and
exec is not safe in a process with threads: so this script is executed in between.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, death_signal: int, user: str, program: list[str]) -> None:
    """Change to `user` unless it is empty, ask for `death_signal`, execute `program`."""
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # the parent died before prctl
            raise SystemExit(1)
    os.execvp(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
