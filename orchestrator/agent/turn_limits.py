"""How long an agent may work with tools on one turn of the caller's.

There is no limit on the number of tool calls: some requests need a dozen. A model that goes round
in circles is stopped by the time, and one that would change too much by `write_limits`.
"""

import time
from collections.abc import Callable

from livekit.agents.llm import ToolError

from config.bots import Bot

# Of LiveKit's own limit on the steps of a turn, which would withdraw all tools; ours comes first.
MAX_TOOL_STEPS = 1_000
TIME_IS_UP = (
    "There is no more time for tools in this turn. Tell the caller what is done and what is not, "
    "and ask whether to go on."
)


class TurnLimits:
    """The limits of the running turn. `clock` is in seconds."""

    def __init__(self, bot: Bot, clock: Callable[[], float] = time.monotonic) -> None:
        self._bot = bot
        self._clock = clock
        self._began = clock()

    @property
    def is_over(self) -> bool:
        """Return whether the turn has had its time."""
        return self._clock() - self._began >= self._bot.max_turn_seconds

    def update_bot(self, bot: Bot) -> None:
        """Use another version of the bot from now on."""
        self._bot = bot

    def start_turn(self) -> None:
        """Begin a turn of the caller's."""
        self._began = self._clock()

    def check(self) -> None:
        """Let a tool call pass.

        Raises:
            ToolError: the turn has had its time.
        """
        if self.is_over:
            raise ToolError(TIME_IS_UP)
