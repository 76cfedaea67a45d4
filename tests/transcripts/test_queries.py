"""Lists and search."""

from tests.transcripts.conftest import Recorder, at, record_texts


async def test_pages_are_short_and_continue_where_the_last_one_ended(fresh: Recorder) -> None:
    started = [await fresh.start() for _ in range(11)]
    first = await fresh("list_conversations")
    rest = await fresh("list_conversations", before=first["next_before"])
    listed = [*first["conversations"], *rest["conversations"]]
    assert [each["conversation_id"] for each in listed] == started[::-1]
    assert len(first["conversations"]) == 8
    assert "next_before" not in rest
    await fresh("end_conversation", conversation_id=started[0])
    assert len((await fresh.call("list_conversations")).text) <= 1500


async def test_conversations_that_began_at_once_are_listed_once(fresh: Recorder) -> None:
    started: set[str] = set()
    for number in range(4):
        named = f"00000000-0000-4000-8000-{int(fresh.claims.business_id) % 10**11:011}{number}"
        await fresh(
            "start_conversation",
            conversation_id=named,
            room_name="r",
            direction="inbound",
            started_at=at(0),
        )
        started.add(named)
    seen: list[str] = []
    before = None
    while len(seen) < 4:
        answer = await fresh("list_conversations", limit=1, before=before)
        seen += [each["conversation_id"] for each in answer["conversations"]]
        before = answer.get("next_before")
    assert before is None
    assert set(seen) == started


async def test_a_list_can_be_narrowed(fresh: Recorder) -> None:
    ended, active = await fresh.start(), await fresh.start()
    await fresh("end_conversation", conversation_id=ended)
    for status, named in (("ended", ended), ("active", active)):
        listed = (await fresh("list_conversations", status=status))["conversations"]
        assert [each["conversation_id"] for each in listed] == [named]
    bot_id = str(fresh.claims.bot_id)
    listed = (await fresh("list_conversations", bot_id=bot_id, detail="full"))["conversations"]
    assert {each["bot_id"] for each in listed} == {bot_id}
    assert {each["room_name"] for each in listed} == {"room"}


async def test_search_finds_words_phrases_and_both_speakers(fresh: Recorder) -> None:
    named = await fresh.start()
    await fresh.record(named)
    matches = (await fresh("search_transcripts", query="loaves"))["matches"]
    assert matches == [
        {
            "conversation_id": named,
            "order_index": 3,
            "role": "agent",
            "created_at": at(9),
            "snippet": "Two loaves are left, shall I",
        }
    ]

    async def find(query: str) -> list[int]:
        matches = (await fresh("search_transcripts", query=query))["matches"]
        return [match["order_index"] for match in matches]

    assert await find("RYE") == [1]
    assert await find('"rye bread"') == [1]
    assert await find('"bread rye"') == []
    assert await find("rye or loaves") == [3, 1]
    assert await find("let -rye") == [2]
    for hostile in ("'", "& | !", "\x00rye\x00", "%", '"', "(((", "\\"):
        assert await find(hostile) == ([1] if "rye" in hostile else [])


async def test_search_answers_are_short(fresh: Recorder) -> None:
    await record_texts(fresh, *(f"{'before ' * 500} needle {'after ' * 500} {n}" for n in range(7)))
    answer = await fresh.call("search_transcripts", query="needle")
    snippets = [match["snippet"] for match in answer.data["matches"]]
    assert len(snippets) == 5
    assert all("needle" in snippet for snippet in snippets)
    assert len(answer.text) <= 1500
