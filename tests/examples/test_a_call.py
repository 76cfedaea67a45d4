"""The examples that call a bot, with real speech in both directions."""

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import yaml

from config.database import Database
from config.settings import required
from orchestrator.admin.declarations import find_business_id
from tests.conftest import Tenant, fetch
from tests.examples.conftest import EXAMPLES, RunExample, apply_example, example_runner
from tests.support.deployment import SharedDeployment
from tests.support.scripted_model import Call, ScriptedModel, Step

# Its fixtures load models and start a worker.
pytestmark = [pytest.mark.room, pytest.mark.timeout(300)]


# In the order in which they are done.
BOTH = r"(?=[\s\S]*lead is changed)(?=[\s\S]*noted that for the team)"
AUTO_MODEL = "gpt-4.1-mini"  # what `llm: auto` is with a key of OpenAI's


@pytest.fixture
def model(deployment: SharedDeployment) -> ScriptedModel:
    """The language model of the examples' bots."""
    model = deployment.models[AUTO_MODEL]
    model.play()
    return model.script


def new_slug(name: str) -> str:
    """Return a business that nobody has: a second try must not find what the first one stored."""
    return f"{name}-{uuid4().hex[:8]}"


def copy_declaration(name: str, business: str, folder: Path) -> Path:
    """Copy a declaration of the examples for a business of another name.

    Its bots hear and speak with the embedded models: the shared deployment has a key of a
    provider's double, which `auto` would take. They have no fillers, which depend on the machine.
    """
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    declaration = yaml.safe_load(text)
    declaration["business"]["slug"] = business
    for bot in declaration["bots"]:
        bot.update(stt="embedded", tts="embedded", soft_timeout_seconds=-1)
    copy = folder / name
    copy.write_text(yaml.safe_dump(declaration), encoding="utf-8")
    return copy


async def apply(
    name: str, bot: str, business: str, deployment: SharedDeployment, folder: Path
) -> RunExample:
    """Store the bots of an example; returns a function that runs examples with a key for them."""
    file = copy_declaration(name, business, folder)
    stored = await apply_example(deployment.environment, str(file), business, bot)
    assert stored.code == 0, stored.err
    return example_runner(deployment.api_url, stored.out.split()[-1])


async def recording(models_url: str, text: str, file: Path) -> Path:
    """Speak a text into a file."""
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        body = {"input": text, "voice": "joe-high"}
        spoken = await client.post(f"{models_url}/audio/speech", json=body)
    await asyncio.to_thread(file.write_bytes, spoken.raise_for_status().content)
    return file


@pytest.mark.slow  # the scripted caller below makes its call with the same example
async def test_a_bot_is_called_with_recordings(
    deployment: SharedDeployment, model: ScriptedModel, models_url: str, tmp_path: Path
) -> None:
    example = await apply("own_bot.yaml", "desk", new_slug("tailor"), deployment, tmp_path)
    question = "How much is a new lining for a jacket?"
    first = await recording(models_url, question, tmp_path / "first.wav")
    second = await recording(models_url, "And do you deliver it?", tmp_path / "second.wav")
    model.play(
        Step(caller="jacket", facts="75 euros", answer="A new lining costs 75 euros."),
        Step(caller="deliver", answer="Yes, for 6 euros."),
    )

    ran = await example("call_with_audio.py", first, second)

    assert ran.code == 0, ran.err
    model.assert_done()
    begun, *lines = ran.out.splitlines()
    assert [line.partition(":")[0].strip() for line in lines] == [
        *("agent", "caller", "agent", "caller", "agent"),
    ]
    assert lines[0].endswith("Fairweather Tailors, good day. What can I do for you?")
    assert "jacket" in lines[1]
    assert lines[2].endswith("A new lining costs 75 euros.")
    assert lines[4].endswith("Yes, for 6 euros.")

    stored = await example("read_transcripts.py", begun.removeprefix("conversation: "))
    assert "agent: A new lining costs 75 euros." in stored.out


async def test_a_caller_is_found_by_a_spoken_number_and_served(
    deployment: SharedDeployment, model: ScriptedModel, models_url: str, tmp_path: Path
) -> None:
    """Long because one call goes through three servers."""
    business = new_slug("boatyard")
    example = await apply("boat_yard.yaml", "yard", business, deployment, tmp_path)
    yard = {"ANTIPHON_BOT": "yard"}
    who = "Nora Lind", "+47 22 555 0192"
    added, again = [await example("add_a_lead.py", *who, **yard) for _ in range(2)]
    assert added.code == 0, added.err
    lead = added.out.strip()
    assert again.out.strip() == lead
    model.play(
        Step("number", (Call("crm_search", {"text": "five five five, zero one nine two"}),)),
        Step("number", "Yes, Nora Lind. What can I do for you?", results="Nora Lind.*a lead"),
        Step(
            "crane|sails",
            (
                Call("crm_update_lead", {"lead": lead, "notes": "Needs new sails."}),
                Call("crm_create_case", {"subject": "Boat scratched by the crane"}),
            ),
        ),
        Step("crane|sails", "I have noted both.", results=BOTH),
        Step(
            "invoice",
            (
                Call(
                    "tickets_create_ticket",
                    {
                        "subject": "Call back about the invoice",
                        "text": "Nora Lind asks to be called back about the invoice.",
                        "requester_name": "Nora Lind",
                        "requester_phone": "five five five, zero one nine two",
                    },
                ),
            ),
        ),
        Step("invoice", "Somebody will call you back.", results="ticket"),
    )

    lines = EXAMPLES / "boat_yard.txt"
    called = await example("scripted_caller.py", lines, SPEECH_URL=models_url, **yard)

    assert called.code == 0, called.err
    model.assert_done()
    assert [line for line in called.out.splitlines() if "agent: " in line][1:] == [
        " agent: Yes, Nora Lind. What can I do for you?",
        " agent: I have noted both.",
        " agent: Somebody will call you back.",
    ]
    database = Database(required("DATABASE_URL", deployment.settings.database_url))
    business_id = await find_business_id(database, business)
    assert business_id is not None
    yard_rows = Tenant(business_id)
    records = await fetch(database, yard_rows, "select kind, title, data from crm_record")
    tickets = await fetch(
        database,
        yard_rows,
        "select number, subject, name, phone from ticket join ticket_user u on u.id = requester_id",
    )
    await database.aclose()
    assert {record["kind"]: record["title"] for record in records} == {
        "lead": "Nora Lind",
        "case": "Boat scratched by the crane",
    }
    assert {record["data"].get("notes") for record in records} == {"Needs new sails.", None}
    assert [dict(ticket) for ticket in tickets] == [
        {
            "number": 1,
            "subject": "Call back about the invoice",
            "name": "Nora Lind",
            "phone": "5550192",
        }
    ]
