"""Ports on 127.0.0.1: any free one, or a configured one."""

import random
import socket
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.engines.errors import PortInUseError

_LOOPBACK = "127.0.0.1"
# Below the ephemeral ports, one of which an outgoing connection might take in the meantime.
_RANGE = range(20_000, 32_000)
_TRIES = 50


@dataclass(frozen=True)
class Port:
    """A requested port; 0 means any free one. `setting` is the variable that changes it.

    The methods raise PortInUseError.
    """

    number: int
    setting: str

    def tcp(self) -> int:
        """Return a TCP port that is free now."""
        return self._find(socket.SOCK_STREAM)

    def udp(self) -> int:
        """Return a UDP port that is free now."""
        return self._find(socket.SOCK_DGRAM)

    def _find(self, kind: socket.SocketKind) -> int:
        if self.number:
            return self._check(self.number, kind)
        for number in random.sample(_RANGE, _TRIES):
            with suppress(PortInUseError):
                return self._check(number, kind)
        raise PortInUseError(self.number, self.setting)

    def _check(self, number: int, kind: socket.SocketKind) -> int:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # Connections of an earlier run may be in TIME_WAIT; the engines set this, too.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, number))
            except OSError:
                raise PortInUseError(number, self.setting) from None
        return number


def free_port() -> int:
    """Return a free TCP port."""
    return Port(0, "").tcp()
