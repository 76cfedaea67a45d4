"""What is wrong in a declaration is said with file and line, and without what was typed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from config.declarations.schema import Declaration, DeclarationError, json_schema, read_declaration
from config.declarations.section import sections
from tests.config.conftest import Write

CANARY = "sk_live_canary"

RIGHT = """\
business:
  slug: corner
  name: Corner Books
  time_zone: Europe/Berlin
knowledge_bases:
  - name: shelves
    documents: [{name: hours, text: Open from ten to six.}]
calendars:
  - name: main
    services: [{id: reading, name: reading, minutes: 60}]
    hours: {mon-fri: "09:00-18:00"}
bots:
  - name: reception
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    voice: {speed: 1.1}
    knowledge_base: shelves
    servers:
      scheduling:
        integration: main
        policy:
          create_booking: {confirm: true}
"""

# What is put in the place of which line, what is complained about, and on which line.
WRONG: Mapping[str, tuple[str, str, int, str]] = {
    "not closed": ("    voice: {speed: 1.1}", "    voice: {speed: 1.1", 17, "expected"),
    "a tab": ("    system_prompt: You", "\tsystem_prompt: You", 14, "cannot start any token"),
    "a tag": ("{speed: 1.1}", f"!!python/name:os.{CANARY}", 16, "constructor"),
    "a secret that begins with !": ("Hello.", f"!{CANARY}", 15, "for the tag"),
    "a secret that begins with *": ("Hello.", f"*{CANARY}", 15, "undefined alias"),
    "a secret that begins with %": ("Hello.", f"%{CANARY}", 15, "cannot start any token"),
    "a secret between !": ("Hello.", f"!{CANARY}!x y", 15, "undefined tag handle"),
    "a repeated key": ("  name: Corner Books", "  slug: corner", 3, "'slug' stands twice"),
    "a repeated key, deep": ("{confirm: true}", "{confirm: true, confirm: true}", 22, "twice"),
    "an unknown list": ("calendars:", "calender:", 8, "there are business, bots"),
    "an unknown key of the business": ("  time_zone", "  timezone", 4, "time_zone"),
    "an unknown key of a knowledge base": ("    documents", "    files", 7, "'files'"),
    "an unknown key of a document": ("{name: hours, text", "{title: hours, text", 7, "title"),
    "an unknown key of a calendar": ("    hours", "    opening", 11, "'opening'"),
    "an unknown key of a service": ("minutes: 60", "minutes: 60, price: 9", 10, "'price'"),
    "an unknown key of a bot": ("    system_prompt", "    prompt", 14, "'prompt'"),
    "an unknown key of a voice": ("speed", "pace", 16, "'pace'"),
    "an unknown key of a server": ("        integration", "        account", 20, "'account'"),
    "an unknown key of a policy": ("{confirm", "{ask", 22, "'ask'"),
    "a server with a joint in its name": ("      scheduling", "      plan_it", 19, "small letters"),
    "a policy that is no mapping": ("{confirm: true}", f"[{CANARY}]", 22, "create_booking"),
    "a policy with a wrong value": ("confirm: true", f"confirm: {CANARY}", 22, "confirm"),
    "a policy of no known kind": ("confirm: true", f"speak: {CANARY}", 22, "'say' or 'model'"),
    "a time zone that is none": ("Europe/Berlin", CANARY, 4, "IANA"),
    "a slug in capitals": ("slug: corner", "slug: Sk_Live_Canary", 2, "pattern"),
    "a number for a text": ("name: Corner Books", "name: 12", 3, "valid string"),
    "a text for a number": ("speed: 1.1", f"speed: {CANARY}", 16, "valid number"),
    "a number out of range": ("speed: 1.1", "speed: 7", 16, "less than or equal to 2"),
    "a list for a mapping": ("    voice: {speed: 1.1}", f"    voice: [{CANARY}]", 16, "voice"),
    "a time for a number": ("minutes: 60", "minutes: 12:30", 10, "valid integer"),
    "hours that are a time": ('"09:00-18:00"', "12:30", 11, "'12:30' is not a range of hours"),
    "an octal number": ("minutes: 60", "minutes: 0o74", 10, "valid integer"),
    "a key that is on": ("    hours", "    on", 11, "unknown key 'on'"),
    "a number that does not exist": ("speed: 1.1", f"speed: !!float {CANARY}", 16, "quote it"),
    "a list as a key": ("  name: Corner Books", "  ? [a, b]\n  : c", 3, "unhashable"),
    "a control character": ("Corner Books", "Corner\x07Books", 1, "is not YAML"),
    "two documents": ("calendars:", "---\ncalendars:", 8, "another document"),
}


def _read(path: Path) -> Declaration:
    return read_declaration(path, sections())


def _complaint(path: Path) -> str:
    with pytest.raises(DeclarationError) as refused:
        _read(path)
    assert refused.value.__cause__ is None
    return str(refused.value)


def test_a_right_declaration_is_read(write: Write) -> None:
    declaration = _read(write(RIGHT))
    assert declaration.business.slug == "corner"
    (bot,) = declaration.bots
    assert bot.servers["scheduling"].policy["create_booking"].confirm
    assert set(declaration.sections) == {"knowledge_bases", "calendars"}


@pytest.mark.parametrize(
    "written",
    ["030", "12:30", "1_000", "no", "on", "Yes", "OFF", "2030-01-01", "0x1F", "1e3", ".inf", "="],
)
def test_a_text_is_what_is_written(written: str, write: Write) -> None:
    text = RIGHT.replace("name: Corner Books", f"name: {written}")
    assert _read(write(text)).business.name == written


@pytest.mark.parametrize(
    ("written", "minutes"), [("030", 30), ("0045", 45), ("1_000", 1000), ("60", 60), ("'60'", 60)]
)
def test_a_number_is_decimal(written: str, minutes: int, write: Write) -> None:
    declaration = _read(write(RIGHT.replace("minutes: 60", f"minutes: {written}")))
    (calendar,) = declaration.sections["calendars"]
    assert calendar.model_dump()["services"][0]["minutes"] == minutes


@pytest.mark.parametrize("written", ["yes", "on", "true", "True"])
def test_a_yes_still_is_one(written: str, write: Write) -> None:
    declaration = _read(write(RIGHT.replace("confirm: true", f"confirm: {written}")))
    assert declaration.bots[0].servers["scheduling"].policy["create_booking"].confirm is True


def test_anchors_and_merged_keys_work(write: Write) -> None:
    merged = RIGHT + "  - {<<: *bot, name: evening}\n"
    declaration = _read(
        write(merged.replace("  - name: reception", "  - &bot\n    name: reception"))
    )
    assert [bot.name for bot in declaration.bots] == ["reception", "evening"]
    assert declaration.bots[0].servers == declaration.bots[1].servers


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_file_and_line(name: str, write: Write) -> None:
    before, after, line, complaint = WRONG[name]
    assert RIGHT.count(before) == 1
    path = write(RIGHT.replace(before, after))
    said = _complaint(path)
    assert said.startswith(f"{path}:{line}: ")
    assert complaint in said
    assert CANARY not in said.casefold()


@pytest.mark.parametrize("list_name", ["knowledge_bases", "calendars", "bots"])
@pytest.mark.parametrize("value", ["{}", "''", "0", "{a: b}", "text"])
def test_a_list_has_to_be_one(list_name: str, value: str, write: Write) -> None:
    path = write(f"business: {{slug: corner, name: Corner}}\n{list_name}: {value}\n")
    assert _complaint(path) == f"{path}:2: {list_name} must be a list"


@pytest.mark.parametrize("list_name", ["knowledge_bases", "calendars", "bots"])
def test_an_empty_list_is_none(list_name: str, write: Write) -> None:
    path = write(f"business: {{slug: corner, name: Corner}}\n{list_name}:\n")
    assert _read(path).bots == []


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("  - name: reception\n    system_prompt: Hi.\n    first_message_inbound: Hi.\n", 23),
        ("  -\n    system_prompt: Hi.\n    first_message_inbound: Hi.\n    name: reception\n", 26),
    ],
)
def test_two_bots_with_one_name_are_refused(entry: str, line: int, write: Write) -> None:
    path = write(RIGHT + entry)
    assert _complaint(path) == f"{path}:{line}: bots has two entries called 'reception'"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- business\n", "business", "42", "~"])
def test_a_file_has_to_be_a_mapping(text: str, write: Write) -> None:
    path = write(text)
    assert _complaint(path) == f"{path}:1: must be a mapping with business and bots"


def test_a_business_is_needed(write: Write) -> None:
    path = write("bots: []\n")
    assert _complaint(path) == f"{path}:1: business is missing"


def test_a_file_that_is_missing_or_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert _complaint(missing) == f"{missing}: No such file or directory"
    assert _complaint(tmp_path) == f"{tmp_path}: Is a directory"


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bots.yaml"
    path.write_bytes(RIGHT.encode().replace(b"Books", b"B\xfccher"))
    assert _complaint(path) == f"{path}: is not UTF-8 text"


def _laughs(levels: int, merge: str) -> str:
    lines = ["a0: &a0 {lol: 1}"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} " + merge.format(aliases))
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        _laughs(12, "[{}]"),
        _laughs(12, "{{<<: [{}]}}"),
        "a: &a [*a, *a]\n",
        "a: &a {b: *a}\n",
        "[" * 50_000,
        "{a: " * 5_000,
        "- a\n" * 300_000,
        "a: " + "9" * 900_000,
    ],
    ids=["lists", "merges", "recursion", "loop", "brackets", "braces", "length", "digits"],
)
def test_a_bomb_is_refused_before_it_goes_off(text: str, write: Write) -> None:
    path = write(text)
    started = time.process_time()
    said = _complaint(path)
    assert time.process_time() - started < 5
    assert said.startswith(f"{path}:")
    assert len(said) < 1000


def test_the_json_schema_is_one_and_takes_what_we_ship(repository: Path) -> None:
    schema = json_schema(sections())
    assert json.loads(json.dumps(schema)) == schema
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    shipped = sorted((repository / "config" / "bots").glob("*.yaml"))
    assert shipped
    for path in shipped:
        validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert _read(path).bots


@pytest.mark.parametrize("name", [name for name in WRONG if "unknown key of" in name])
def test_the_json_schema_refuses_unknown_keys(name: str) -> None:
    before, after, _, _ = WRONG[name]
    validator = Draft202012Validator(json_schema(sections()))
    right: Any = yaml.safe_load(RIGHT)
    wrong: Any = yaml.safe_load(RIGHT.replace(before, after))
    assert validator.is_valid(right)
    assert not validator.is_valid(wrong)
