"""Ports on 127.0.0.1: a free one, or the one that was asked for."""

import socket
from dataclasses import dataclass

from orchestrator.engines.errors import PortInUseError

_LOOPBACK = "127.0.0.1"


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
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # Connections of an earlier run may still linger; the engines bind over them too.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, self.number))
            except OSError:
                raise PortInUseError(self.number, self.setting) from None
            port: int = probe.getsockname()[1]
            return port


def free_port() -> int:
    """Return a free TCP port."""
    return Port(0, "").tcp()
