"""The transcripts server: its tools, in the order of the catalogue."""

from toolkit.server.build import ServerSpec
from transcripts.call_log_tools import append_tool_call, list_tool_calls
from transcripts.conversation_tools import (
    end_conversation,
    get_conversation,
    list_conversations,
    start_conversation,
    update_conversation,
)
from transcripts.transcript_tools import (
    append_agent_response,
    append_user_turn,
    export_transcript,
    get_transcript,
    search_transcripts,
)
from transcripts.usage_tools import record_usage

TOOLS = (
    start_conversation,
    append_user_turn,
    append_agent_response,
    end_conversation,
    get_conversation,
    list_conversations,
    get_transcript,
    search_transcripts,
    export_transcript,
    update_conversation,
    record_usage,
    append_tool_call,
    list_tool_calls,
)
SERVER = ServerSpec(
    "transcripts",
    "What was said in every conversation: recorded as it is spoken, read and searched afterwards.",
    TOOLS,
)
