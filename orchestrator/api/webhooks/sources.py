"""The sources of webhooks: how each vendor signs, and how its requests are parsed.

Only ids are taken from a request. The comment itself is read from the vendor afterwards: a text
that somebody could have made up is never shown to a model.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints, ValidationError

from orchestrator.api.webhooks.signatures import Signature, timestamp_and_body

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


@dataclass(frozen=True)
class CommentEvent:
    """A new comment in a ticket. `comment` is its id; None where the source does not send it."""

    ticket: str
    comment: str | None = None


@dataclass(frozen=True)
class Source:
    """One vendor's webhooks: the server whose accounts they belong to, and their parser."""

    server: str
    signature: Signature
    parse: Callable[[bytes], CommentEvent | None]


class _EventModel(BaseModel):
    model_config = {"frozen": True, "coerce_numbers_to_str": True, "hide_input_in_errors": True}


class _Identified(_EventModel):
    id: _Id


class _ZendeskChange(_EventModel):
    comment: _Identified


class _ZendeskEvent(_EventModel):
    """https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/."""

    type: Literal["zen:event-type:ticket.comment_added"]
    detail: _Identified
    event: _ZendeskChange


class _Templated(_EventModel):
    """The body that an operator defines in a trigger or an automation rule."""

    ticket_id: _Id
    comment_id: _Id | None = None


class _FreshdeskEvent(_EventModel):
    """The body that Freshdesk builds from its own choice of fields."""

    freshdesk_webhook: _Templated


class _JiraIssue(_EventModel):
    key: _Id


class _JiraEvent(_EventModel):
    """https://developer.atlassian.com/cloud/jira/platform/webhooks/."""

    webhookEvent: Literal["comment_created"]
    issue: _JiraIssue
    comment: _Identified


def _parse_zendesk(body: bytes) -> CommentEvent | None:
    match _parse_as(body, _ZendeskEvent, _Templated):
        case _ZendeskEvent() as sent:
            return CommentEvent(sent.detail.id, sent.event.comment.id)
        case _Templated() as sent:
            return CommentEvent(sent.ticket_id, sent.comment_id)
        case _:
            return None


def _parse_jira(body: bytes) -> CommentEvent | None:
    sent = _parse_as(body, _JiraEvent)
    return CommentEvent(sent.issue.key, sent.comment.id) if isinstance(sent, _JiraEvent) else None


def _parse_freshdesk(body: bytes) -> CommentEvent | None:
    match _parse_as(body, _FreshdeskEvent, _Templated):
        case _FreshdeskEvent(freshdesk_webhook=sent) | (_Templated() as sent):
            return CommentEvent(sent.ticket_id, sent.comment_id)
        case _:
            return None


def _parse_as(body: bytes, *models: type[_EventModel]) -> _EventModel | None:
    """Return the body as the first model that it fits; None for any other event."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for model in models:
        try:
            return model.model_validate(sent)
        except ValidationError:
            continue
    return None


SOURCES: Mapping[str, Source] = {
    # https://developer.zendesk.com/documentation/webhooks/verifying/
    "zendesk": Source(
        "tickets",
        Signature(
            "X-Zendesk-Webhook-Signature",
            "base64",
            timestamp_and_body,
            timestamp="X-Zendesk-Webhook-Signature-Timestamp",
        ),
        _parse_zendesk,
    ),
    # https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks
    "jira": Source("tickets", Signature("X-Hub-Signature", "hex", prefix="sha256="), _parse_jira),
    # Freshdesk signs nothing; its automation rules send a header that an operator sets.
    "freshdesk": Source("tickets", Signature("X-Webhook-Secret", "plain"), _parse_freshdesk),
}
