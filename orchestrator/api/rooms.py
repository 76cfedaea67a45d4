"""Issues the token that opens a LiveKit room for one caller and brings the agent there."""

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
from orchestrator.api.schemas import Room
from orchestrator.calls.names import caller_identity, room_name

_TOKEN_LIFETIME = timedelta(minutes=10)  # to join: who is in the room by then stays


@dataclass(frozen=True)
class CallDetails:
    """What the agent's job needs to know about one call."""

    bot: Bot
    conversation_id: UUID
    direction: str
    identifier: str
    language: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def room_name(self) -> str:
        """Return the name of the call's room."""
        return room_name(self.conversation_id)

    def dispatch_metadata(self) -> str:
        """Return the metadata of the agent's dispatch, as JSON."""
        required = {
            "business_id": str(self.bot.business_id),
            "bot_id": str(self.bot.id),
            "conversation_id": str(self.conversation_id),
            "config_version": self.bot.version,
            "direction": self.direction,
            "identifier": self.identifier,
        }
        optional = {"language": self.language, "metadata": self.metadata}
        return json.dumps(required | {name: value for name, value in optional.items() if value})


def issue_room_token(dependencies: Dependencies, call: CallDetails) -> Room:
    """Return the room of a call, with a token that lets its caller in and brings the agent.

    LiveKit dispatches the agent when the first token of a room is used. A room that was closed is
    opened again in the same way.
    """
    livekit = dependencies.livekit
    agent = RoomAgentDispatch(agent_name=dependencies.agent_name, metadata=call.dispatch_metadata())
    token = (
        AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity(caller_identity(call.conversation_id))
        .with_ttl(_TOKEN_LIFETIME)
        .with_grants(
            VideoGrants(
                room_join=True,
                room=call.room_name,
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
        conversation_id=call.conversation_id,
        room_name=call.room_name,
        livekit_url=livekit.client_url,
        token=token.to_jwt(),
    )
