"""What an agent is made of, whether it speaks in a call or answers in writing."""

from collections.abc import Callable
from dataclasses import dataclass

from config.bots import Bot
from orchestrator.agent.client_events import Publish
from orchestrator.agent.embedded_llm import EmbeddedLLM
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.job import Process
from orchestrator.agent.lite_llm import LiteLLM
from orchestrator.agent.llm_cascade import LLMCascade
from orchestrator.agent.model_choice import resolve_llm
from orchestrator.agent.model_health import ModelHealth
from orchestrator.agent.recorder import RecordToolCall
from orchestrator.agent.retrieval import Retrieval
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.agent.toolset import Toolset
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.write_limit import WriteLimit
from orchestrator.runtime.background_tasks import BackgroundTasks


@dataclass(frozen=True)
class AgentParts:
    """The parts of one agent. `embedded_llm` is the cascade's first model, where it is embedded."""

    bot: Bot
    llm: LLMCascade
    embedded_llm: EmbeddedLLM | None
    toolset: Toolset
    retrieval: Retrieval
    background: BackgroundTasks
    clock: TurnClock
    fillers: Fillers


def build_agent_parts(
    process: Process,
    bot: Bot,
    identity: Identity,
    background: BackgroundTasks,
    *,
    publish: Publish,
    hang_up: Callable[[], None],
    record: RecordToolCall | None = None,
) -> AgentParts:
    """Build the parts of an agent that acts as `identity`: long because they all meet here.

    `publish` sends events to clients; `hang_up` is called when the agent ends the conversation,
    and `record` for each tool call.
    """
    clock = TurnClock(publish)
    fillers = Fillers(bot.soft_timeout_seconds)
    specs = resolve_llm(bot.llm, process.settings)
    runner = ToolRunner(
        bot,
        identity,
        process.router,
        publish,
        clock,
        fillers,
        small_model=specs[0].embedded,
        record=record,
        write_limit=WriteLimit(process.cache, identity.business_id),
    )
    toolset = Toolset(bot, runner, hang_up)
    conversation = str(identity.conversation_id) if identity.conversation_id else None
    models = [
        EmbeddedLLM(spec, toolset.choices, conversation) if spec.embedded else LiteLLM(spec)
        for spec in specs
    ]
    cascade = LLMCascade(
        models,
        first_chunk_timeout=bot.llm_cascade_timeout_seconds,
        health=ModelHealth(process.cache, identity.business_id),
    )
    return AgentParts(
        bot=bot,
        llm=cascade,
        embedded_llm=models[0] if isinstance(models[0], EmbeddedLLM) else None,
        toolset=toolset,
        retrieval=Retrieval(bot, identity, process.router, publish, background, record),
        background=background,
        clock=clock,
        fillers=fillers,
    )
