"""Become another program that dies with its parent: `launch.py PARENT SIGNAL USER PROGRAM…`.

Run as a script, with nothing imported from the project. It stands between the two because the
kernel's promise (PR_SET_PDEATHSIG) has to be asked for by the child itself, after it has changed
its user, and running Python between fork and exec is not safe in a process that has threads.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, death_signal: int, user: str, program: list[str]) -> None:
    """Change to `user` if one is named, tie this process to `parent`, become `program`."""
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the kernel was told
            raise SystemExit(1)
    os.execvp(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
