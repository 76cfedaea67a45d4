"""Who sends webhooks: a row for each says how it signs, and what its requests are about.

Of what is sent, only ids are used. What was written is read from the vendor afterwards: a body
that somebody could make up is never put before a model.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints, ValidationError

from orchestrator.api.webhooks.signatures import Signature, timestamp_and_body

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


@dataclass(frozen=True)
class Commented:
    """A ticket in which something was written. `comment` is None where the source does not say."""

    ticket: str
    comment: str | None = None


@dataclass(frozen=True)
class Source:
    """One vendor's webhooks: the server whose account they belong to, and how they are read."""

    server: str
    signature: Signature
    read: Callable[[bytes], Commented | None]


class _Model(BaseModel):
    model_config = {"frozen": True, "coerce_numbers_to_str": True, "hide_input_in_errors": True}


class _Identified(_Model):
    id: _Id


class _ZendeskChange(_Model):
    comment: _Identified


class _ZendeskEvent(_Model):
    """https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/."""

    type: Literal["zen:event-type:ticket.comment_added"]
    detail: _Identified
    event: _ZendeskChange


class _Templated(_Model):
    """What an operator writes into a trigger or an automation rule."""

    ticket_id: _Id
    comment_id: _Id | None = None


class _Nested(_Model):
    """What Freshdesk makes of its own choice of fields."""

    freshdesk_webhook: _Templated


class _JiraIssue(_Model):
    key: _Id


class _JiraEvent(_Model):
    """https://developer.atlassian.com/cloud/jira/platform/webhooks/."""

    webhookEvent: Literal["comment_created"]
    issue: _JiraIssue
    comment: _Identified


def _zendesk(body: bytes) -> Commented | None:
    match _read(body, _ZendeskEvent, _Templated):
        case _ZendeskEvent() as sent:
            return Commented(sent.detail.id, sent.event.comment.id)
        case _Templated() as sent:
            return Commented(sent.ticket_id, sent.comment_id)
        case _:
            return None


def _jira(body: bytes) -> Commented | None:
    sent = _read(body, _JiraEvent)
    return Commented(sent.issue.key, sent.comment.id) if isinstance(sent, _JiraEvent) else None


def _freshdesk(body: bytes) -> Commented | None:
    match _read(body, _Nested, _Templated):
        case _Nested(freshdesk_webhook=sent) | (_Templated() as sent):
            return Commented(sent.ticket_id, sent.comment_id)
        case _:
            return None


def _read(body: bytes, *shapes: type[_Model]) -> _Model | None:
    """Return the body in the first shape that it has; None for all that we do not wait for."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for shape in shapes:
        try:
            return shape.model_validate(sent)
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
        _zendesk,
    ),
    # https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks
    "jira": Source("tickets", Signature("X-Hub-Signature", "hex", prefix="sha256="), _jira),
    # Freshdesk signs nothing; its automation rules send a header that an operator types in.
    "freshdesk": Source("tickets", Signature("X-Webhook-Secret", "plain"), _freshdesk),
}
