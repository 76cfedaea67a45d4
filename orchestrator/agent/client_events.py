"""Events for the clients of a running call: JSON on the topic `events` of the data channel."""

import json
import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Literal, get_args

from livekit import rtc

from config.bot_settings import ClientEvent
from orchestrator.runtime.background_tasks import BackgroundTasks

TOPIC = "events"
logger = logging.getLogger("antiphon.events")

# What a client has to know whatever its bot has switched on.
RequiredEvent = Literal["text_refused"]
Publish = Callable[[ClientEvent | RequiredEvent, dict[str, Any]], None]


class ClientEvents:
    """Sends the events that the bot has switched on."""

    def __init__(
        self, room: rtc.Room, enabled: Collection[ClientEvent], background: BackgroundTasks
    ) -> None:
        self._room = room
        self._enabled = frozenset((*enabled, *get_args(RequiredEvent)))
        self._background = background

    def publish(self, event: ClientEvent | RequiredEvent, details: dict[str, Any]) -> None:
        """Send an event without waiting for it."""
        if event not in self._enabled or not self._room.isconnected():
            return
        body = json.dumps({"type": event, "at": time.time(), **details}, default=str)
        self._background.start(self._send(body))

    async def _send(self, body: str) -> None:
        try:
            await self._room.local_participant.publish_data(body, reliable=True, topic=TOPIC)
        except rtc.participant.PublishDataError:
            logger.info("an event could not be sent to the room")


def discard_event(event: ClientEvent | RequiredEvent, details: dict[str, Any]) -> None:
    """Send an event to nobody: there is no client."""
    del event, details
