"""Opens a LiveKit room for one caller, with the agent that is to come there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from livekit.api import AccessToken, VideoGrants
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.room import RoomConfiguration

from config.bots import Bot
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.models import Room

_TO_JOIN = timedelta(minutes=10)  # who is in the room by then stays


@dataclass(frozen=True)
class Calling:
    """One call, as the job that takes it needs to know it."""

    bot: Bot
    conversation_id: UUID
    direction: str
    identifier: str
    language: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def room_name(self) -> str:
        """Return where it takes place."""
        return f"call-{self.conversation_id}"

    def dispatch(self) -> str:
        """Return the metadata of the agent's dispatch."""
        known = {
            "business_id": str(self.bot.business_id),
            "bot_id": str(self.bot.id),
            "conversation_id": str(self.conversation_id),
            "config_version": self.bot.version,
            "direction": self.direction,
            "identifier": self.identifier,
        }
        optional = {"language": self.language, "metadata": self.metadata}
        return json.dumps(known | {name: value for name, value in optional.items() if value})


def room(dependencies: Dependencies, calling: Calling) -> Room:
    """Return the room of a call, with a token that lets its caller in and brings the agent.

    LiveKit dispatches the agent when the first token of a room is used; a room that is gone comes
    back in the same way.
    """
    livekit = dependencies.livekit
    agent = RoomAgentDispatch(agent_name=dependencies.agent_name, metadata=calling.dispatch())
    token = (
        AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity(f"caller-{calling.conversation_id}")
        .with_ttl(_TO_JOIN)
        .with_grants(
            VideoGrants(
                room_join=True,
                room=calling.room_name,
                can_publish=True,
                can_publish_sources=["microphone"],
                can_subscribe=True,
                can_publish_data=True,  # typed words go as a text stream
                can_update_own_metadata=False,
            )
        )
        .with_room_config(RoomConfiguration(agents=[agent]))
    )
    return Room(
        conversation_id=calling.conversation_id,
        room_name=calling.room_name,
        livekit_url=livekit.client_url,
        token=token.to_jwt(),
    )
