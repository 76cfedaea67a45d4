"""Start a conversation over REST and print what a client needs to join its room.

    ANTIPHON_KEY=ak_… python examples/start_a_session.py

ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import os
import sys

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def main() -> None:
    """Start a session and show its parts."""
    with httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"}) as api:
        answer = api.post(
            "/api/sessions/start",
            json={"bot": BOT, "identifier": "customer-4711", "metadata": {"campaign": "spring"}},
        )
    session = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {session['error']}: {session['message']}")

    print("conversation:", session["conversation_id"])
    print("room:        ", session["room_name"])
    # A LiveKit client joins with these two; the agent comes when the first one has joined.
    print("LiveKit:     ", session["livekit_url"])
    print("token:       ", session["token"])
    # A page may hold this one: it reads this conversation and nothing else, for an hour.
    print("to read:     ", session["conversation_token"])


if __name__ == "__main__":
    main()
