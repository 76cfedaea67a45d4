"""What a webhook is about: ids, or nothing."""

import json
from typing import Any

import pytest

from orchestrator.api.webhooks.sources import SOURCES, CommentEvent
from tests.orchestrator.api.webhooks.senders import SENDERS


@pytest.mark.parametrize("sender", SENDERS.values(), ids=lambda each: each.source)
def test_a_comment_is_read_as_its_vendor_sends_it(sender: Any) -> None:
    body, _ = sender.request("35", "812")
    comment = "812" if sender.names_comment else None
    assert SOURCES[sender.source].parse(body) == CommentEvent("35", comment)


@pytest.mark.parametrize(
    ("source", "sent", "ticket"),
    [
        ("zendesk", {"ticket_id": "35", "comment_id": "812"}, "35"),
        ("zendesk", {"ticket_id": 35}, "35"),
        ("freshdesk", {"ticket_id": "35"}, "35"),
        ("freshdesk", {"freshdesk_webhook": {"ticket_id": 35, "ticket_subject": "Hi"}}, "35"),
    ],
)
def test_what_an_operator_templates_is_read_too(source: str, sent: Any, ticket: str) -> None:
    event = SOURCES[source].parse(json.dumps(sent).encode())
    assert event is not None
    assert event.ticket == ticket


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"35"',
        b"[" * 100_000,
        b'{"webhookEvent": "comment_deleted", "issue": {"key": "A-1"}, "comment": {"id": "1"}}',
        b'{"type": "zen:event-type:ticket.created", "detail": {"id": "1"}, "event": {}}',
        b'{"ticket_id": "../../users"}',
        b'{"ticket_id": ""}',
        b'{"ticket_id": {"id": 1}}',
        b'{"freshdesk_webhook": {"ticket_id": "1 2"}}',
    ],
    ids=range(12),
)
def test_anything_else_is_about_nothing(source: str, body: bytes) -> None:
    assert SOURCES[source].parse(body) is None
