"""Ports on 127.0.0.1: a free one, or the one that was asked for."""

import random
import socket
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.engines.errors import PortInUseError

_LOOPBACK = "127.0.0.1"
# Below the ports that systems give to outgoing connections, which would take one in between.
_OURS = range(20_000, 32_000)
_TRIES = 50


@dataclass(frozen=True)
class Port:
    """A wish for a port: 0 takes any that is free; `setting` is where a user changes it."""

    number: int
    setting: str

    def tcp(self) -> int:
        """Return a TCP port that can be listened on now."""
        return self._bindable(socket.SOCK_STREAM)

    def udp(self) -> int:
        """Return a UDP port that can be listened on now."""
        return self._bindable(socket.SOCK_DGRAM)

    def _bindable(self, kind: socket.SocketKind) -> int:
        if self.number:
            return self._bound(self.number, kind)
        for number in random.sample(_OURS, _TRIES):
            with suppress(PortInUseError):
                return self._bound(number, kind)
        raise PortInUseError(self.number, self.setting)

    def _bound(self, number: int, kind: socket.SocketKind) -> int:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # Connections of an earlier run may still linger; the engines bind over them too.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, number))
            except OSError:
                raise PortInUseError(number, self.setting) from None
        return number


def free_port() -> int:
    """Return a free TCP port."""
    return Port(0, "").tcp()
