"""What can go wrong with an engine, told to the person at the terminal."""

from config.errors import UserError


class EngineError(UserError):
    """An engine cannot run here; the message says what to do about it."""


class PortInUseError(EngineError):
    """Something else listens on a port that an engine was told to use."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(
            f"Port {port} on 127.0.0.1 is taken by another program. Stop that program, "
            f"or set {setting} to a free port."
        )
        self.port = port
        self.setting = setting
