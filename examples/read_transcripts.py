"""Read what was said: the latest conversations, one transcript, and the same as a CSV file.

    ANTIPHON_KEY=ak_… python examples/read_transcripts.py [CONVERSATION_ID]

Without an id, the latest conversation that is over is shown.
ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import os
import sys
from typing import Any

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def get(api: httpx2.Client, path: str, **query: str | int) -> httpx2.Response:
    """Return an answer, or end with what went wrong."""
    answer = api.get(path, params=query)
    if answer.is_error:
        refused: dict[str, Any] = answer.json()
        sys.exit(f"{answer.status_code} {refused['error']}: {refused['message']}")
    return answer


def main() -> None:
    """List, read, export."""
    with httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"}) as api:
        page = get(api, "/api/conversations", bot=BOT, status="ended", limit=5).json()
        for conversation in page["conversations"]:
            print(conversation["started_at"], conversation["conversation_id"])
        ids = sys.argv[1:] or [each["conversation_id"] for each in page["conversations"]]
        if not ids:
            sys.exit("Nobody has called yet.")
        one = f"/api/conversations/{ids[0]}"

        print("\nTranscript")
        for entry in get(api, f"{one}/transcript").json():
            print(f"{entry['role']:>5}: {entry['text']}")

        print("\nCSV")  # or json, or text
        print(get(api, f"{one}/export", format="csv").text, end="")


if __name__ == "__main__":
    main()
