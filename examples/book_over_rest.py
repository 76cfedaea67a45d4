"""Use a bot's tools without a call: find a free time and book it, under the bot's own rights.

    ANTIPHON_KEY=ak_… python examples/book_over_rest.py "suit fitting" "Monday morning" "Ann Lee"

Times are given in a caller's own words. What the bot's declaration marks `confirm` is asked
before it is done; `--yes` agrees to it.
ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import argparse
import os
import sys
import uuid
from typing import Any

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def execute(api: httpx2.Client, tool: str, key: str | None = None, **params: str) -> dict[str, Any]:
    """Call one tool and return its result."""
    body = {"tool_key": tool, "bot": BOT, "params": params}
    if key is not None:
        body["idempotency_key"] = key  # a repeat after a lost answer changes nothing
    answer = api.post("/api/tools/execute", json=body)
    content: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {content['error']}: {content['message']}")
    if content.get("say"):
        print(content["say"])
    result: dict[str, Any] = content["result"]
    return result


def main() -> None:
    """Offer, confirm, book."""
    parser = argparse.ArgumentParser(description="Book the first free time.")
    parser.add_argument("service", nargs="?", default="suit fitting")
    parser.add_argument("when", nargs="?", default="Monday morning")
    parser.add_argument("name", nargs="?", default="Ann Lee")
    parser.add_argument("--yes", action="store_true", help="agree without being asked")
    wanted = parser.parse_args()

    with httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as api:
        free = execute(
            api, "scheduling_get_available_slots", service=wanted.service, when=wanted.when
        )
        if not free["offered"]:
            sys.exit(1)

        key = str(uuid.uuid4())
        booking = {"slot": free["offered"][0]["handle"], "name": wanted.name, "phone": "5550142"}
        done = execute(api, "scheduling_create_booking", key, **booking)
        if done.get("status") == "needs_confirmation":
            if not wanted.yes and input("[y/N] ") != "y":
                sys.exit("Nothing was booked.")
            # The code stands for exactly this booking, once, for two minutes.
            agreed = {"confirmation_code": done["confirmation_code"]}
            done = execute(api, "scheduling_create_booking", key, **booking, **agreed)
    print("booking", done["id"], "at", done["starts_at"])


if __name__ == "__main__":
    main()
