"""Phone calls at Zendesk: their log, and which agents can take one."""

from tickets.provider import MAX_BATCH, Availability, CallLog
from tickets.providers.zendesk import payloads
from tickets.providers.zendesk.client import ZendeskClient
from tickets.providers.zendesk.comments import ZendeskComments
from tickets.providers.zendesk.people import ZendeskPeople
from tickets.providers.zendesk.responses import CallRecord, PresencePage, TalkStateRecord
from tickets.providers.zendesk.settings import ZendeskSettings
from tickets.providers.zendesk.tickets import ZendeskTickets
from toolkit.errors import NotFound


class ZendeskCalls:
    """The calls of one account.

    With the settings for Talk, a call is logged as one of Talk's. Without them it becomes an
    internal comment of its ticket, or a solved ticket, which needs no plan of Talk's.
    """

    def __init__(
        self,
        client: ZendeskClient,
        tickets: ZendeskTickets,
        comments: ZendeskComments,
        people: ZendeskPeople,
        settings: ZendeskSettings,
    ) -> None:
        self._client = client
        self._tickets = tickets
        self._comments = comments
        self._people = people
        self._settings = settings

    async def log(self, log: CallLog) -> str:
        """Store a call as one of Talk's, as a comment, or as a solved ticket."""
        app, line = self._settings.talk_app_id, self._settings.talk_line
        if app is not None and line is not None:
            return await self._log_in_talk(log, app, line)
        summary, began = payloads.call_comment(log)
        if log.ticket is not None:
            # When a call that has just ended began is another moment at each try.
            lost = await self._comments.find_lost(
                log.ticket, lambda body: _starts_with(body, summary)
            )
            return lost or await self._comments.add(log.ticket, summary + began, public=False)
        draft = payloads.call_ticket(log)
        lost_ticket = await self._tickets.find_lost_create([draft])
        if lost_ticket is not None and lost_ticket.done:
            return lost_ticket.done[0]
        (requester,) = await self._people.find_requesters([draft])
        comment = {"body": summary + began, "public": False}
        return await self._tickets.create_one(draft, requester, status="solved", comment=comment)

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent is available in Talk; for None, the agents who are."""
        if agent is None:
            return await self._all_available()
        found = await self._people.get_records(payloads.to_numbers([agent]))
        if not found or found[0].is_gone or found[0].our_role != "agent":
            return []
        state = await self._talk_state(found[0].id)
        return [Availability(agent=agent, name=found[0].name or "", available=state.is_available)]

    async def _all_available(self) -> list[Availability]:
        present = await self._client.get(
            ("agent_availabilities",),
            PresencePage,
            {"filter[channel_status]": "talk:online", "page[size]": MAX_BATCH},
        )
        ids = [each.attributes.agent_id for each in present.data]
        return [
            Availability(agent=str(each.id), name=each.name or "", available=True)
            for each in await self._people.get_records(ids)
            if not each.is_gone
        ]

    async def _log_in_talk(self, log: CallLog, app: int, line: str) -> str:
        self._client.call.refuse_if_retry("Zendesk")
        call = payloads.talk_call(log, app, line)
        comment = {"title": log.summary, "call_fields": ["from_line", "to_line", "direction"]}
        logged = await self._client.run(
            lambda zenpy, _: zenpy.calls.create(call, comment), CallRecord, writes=True
        )
        return str(logged.id)

    async def _talk_state(self, agent: int) -> TalkStateRecord:
        try:
            return await self._client.run(
                lambda zenpy, _: zenpy.talk.availability(id=agent), TalkStateRecord
            )
        except NotFound:  # the agent has no line at all
            return TalkStateRecord()


def _starts_with(text: str, beginning: str) -> bool:
    return " ".join(text.split()).startswith(" ".join(beginning.split()))
