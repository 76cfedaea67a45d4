"""Errors of the engines; their messages are shown at the terminal."""

from config.errors import UserError


class EngineError(UserError):
    """An engine cannot run here; the message says what to do."""


class PortInUseError(EngineError):
    """The configured port of an engine is in use; `setting` is the variable that changes it."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(
            f"Port {port} on 127.0.0.1 is taken by another program. Stop that program, "
            f"or set {setting} to a free port."
        )
        self.port = port
        self.setting = setting
