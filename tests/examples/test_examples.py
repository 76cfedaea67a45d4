"""Every example does what it says, against a real deployment."""

import ast
import csv
import re
import sys
from pathlib import Path

import httpx2
import jwt
import pytest

from orchestrator.local.deployment import Deployment
from tests.examples.conftest import (
    EXAMPLES,
    ROOT,
    CommandResult,
    RunExample,
    apply_example,
    example_runner,
    run,
)

PYTHON = sorted(EXAMPLES.glob("*.py"))
_ALLOWED = {"fastmcp", "httpx2", "livekit", *sys.stdlib_module_names}


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: file.name)
def test_an_example_imports_nothing_of_ours(file: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                imported |= {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str(module)):
                imported.add(module.partition(".")[0])
            case _:
                pass
    assert imported <= _ALLOWED


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r"^\| \[(\S+)\]\(\1\)", (EXAMPLES / "README.md").read_text("utf-8"), re.M)
    there = {file.name for file in EXAMPLES.iterdir() if file.suffix in {".py", ".sh", ".yaml"}}
    assert set(listed) == there


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: file.name)
async def test_without_a_key_an_example_says_where_one_comes_from(file: Path) -> None:
    ran = await run(sys.executable, file)
    assert ran.code == 1
    assert ran.err.startswith("ANTIPHON_KEY is not set")


async def test_a_wrong_key_is_told_in_a_sentence(api_deployment: Deployment) -> None:
    told = {"ANTIPHON_URL": api_deployment.api_url, "ANTIPHON_KEY": "ak_wrong"}
    for name in ("start_a_session.py", "retrieve.py", "book_over_rest.py", "read_transcripts.py"):
        ran = await run(sys.executable, EXAMPLES / name, **told)
        assert ran.code == 1
        assert ran.err.startswith("401 unauthorized: ")


async def test_a_declaration_is_shown_stored_and_inspected(applied: CommandResult) -> None:
    assert applied.code == 0, applied.err
    assert "own_bot.yaml: 7 would change" in " ".join(applied.err.split())
    assert "own_bot.yaml: 7 changed" in " ".join(applied.err.split())
    assert "tools" in applied.out
    assert re.fullmatch(r"ak_\S{43}", applied.out.split()[-1])


async def test_a_session_is_started(example: RunExample) -> None:
    ran = await example("start_a_session.py")
    assert ran.code == 0, ran.err
    shown = dict(line.split(":", 1) for line in ran.out.splitlines())
    token = jwt.decode(shown["token"].strip(), options={"verify_signature": False})
    assert token["video"]["room"] == shown["room"].strip()
    assert "campaign" in token["roomConfig"]["agents"][0]["metadata"]


async def test_documents_are_asked(example: RunExample) -> None:
    ran = await example("retrieve.py", "What", "do", "you", "charge", "for", "trousers?")
    assert ran.code == 0, ran.err
    assert "18 euros" in ran.out
    assert "prices: " in ran.out


async def test_an_mcp_client_uses_the_tools(example: RunExample) -> None:
    ran = await example("outside_client.py", "suit", "next Tuesday at ten")
    assert ran.code == 0, ran.err
    assert "scheduling_create_booking: " in ran.out
    assert re.search(r"Tuesday .*at ten in the morning is free", ran.out)


async def test_a_time_is_found_confirmed_and_booked(example: RunExample) -> None:
    asked = await example("book_over_rest.py", "suit", "next Tuesday at ten")
    assert "Shall I book it?" in asked.out
    assert asked.code == 1  # nobody was there to agree
    ran = await example("book_over_rest.py", "suit", "next Tuesday at ten", "Ines Duarte", "--yes")
    assert ran.code == 0, ran.err
    assert "Ines Duarte, phone 5 5 5, 0 1 4 2. Shall I book it?" in ran.out
    assert re.search(r"^booking \S+ at \d{4}-\d\d-\d\dT10:00", ran.out, re.M)


async def test_what_a_zap_would_get_is_listed_and_read_back(api_deployment: Deployment) -> None:
    """Nobody agrees to it: what is agreed to goes to Zapier itself."""
    hook = "https://hooks.zapier.com/hooks/catch/1/canary-4711/"
    stored = await apply_example(
        {**api_deployment.environment, "TEAM_HOOK": hook},
        *(EXAMPLES / "automations.yaml", "bakery", "counter"),
        secrets=("VAULT_KEYS", "TEAM_HOOK"),
    )
    assert stored.code == 0, stored.err
    run_example = example_runner(api_deployment.api_url, stored.out.split()[-1])
    values = ("note=Two loaves more", "urgency=today")
    bot = {"ANTIPHON_BOT": "counter"}
    asked = await run_example("hand_over.py", "tell the kitchen", *values, **bot)
    assert (asked.code, asked.err.strip()) == (1, "Nothing was handed over.")
    assert "I can start tell the kitchen." in asked.out
    assert "note Two loaves more, urgency today. Shall I?" in asked.out
    wrong = await run_example("hand_over.py", "tell_the_kitchen", "urgency=now", **bot)
    assert wrong.err.startswith("422 invalid: The values do not fit. Needs note.")
    for each in (stored, asked, wrong):
        assert "canary-4711" not in f"{each.out}{each.err}"


async def test_a_transcript_is_listed_read_and_exported(
    example: RunExample, api_deployment: Deployment, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        base_url=api_deployment.api_url, headers=headers, trust_env=False, timeout=20
    ) as api:
        answer = await api.post("/api/sessions/start", json={"bot": "desk"})
        conversation_id = answer.json()["conversation_id"]
        one = f"/api/conversations/{conversation_id}"
        for path, body in (
            ("/turns", {"transcript": "Do you deliver?", "stt_provider": "test"}),
            ("/turns/0/response", {"response_text": "Yes, in the city."}),
            ("/end", {"reason": "caller_left"}),
        ):
            (await api.post(one + path, json=body)).raise_for_status()

    ran = await example("read_transcripts.py")
    assert ran.code == 0, ran.err
    listed, _, rest = ran.out.partition("\nTranscript\n")
    spoken, _, exported = rest.partition("\nCSV\n")
    assert conversation_id in listed
    assert spoken.splitlines() == [" user: Do you deliver?", "agent: Yes, in the city."]
    rows = list(csv.DictReader(exported.splitlines()))
    assert [(row["role"], row["text"]) for row in rows] == [
        ("user", "Do you deliver?"),
        ("agent", "Yes, in the city."),
    ]


def test_the_examples_run_from_the_project_s_folder() -> None:
    shown = re.findall(r"(examples/\S+)", (EXAMPLES / "README.md").read_text("utf-8"))
    assert shown
    assert [path for path in shown if not (ROOT / path).exists()] == []
