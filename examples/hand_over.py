"""Hand something over to a Zap, as the bot would: what it takes is listed, asked for and agreed to.

    ANTIPHON_KEY=ak_… ANTIPHON_BOT=counter python examples/hand_over.py tell_the_kitchen \
        note="Two loaves more" urgency=today

What the bot's declaration marks `confirm` is asked before it is done; `--yes` agrees to it.
ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import os
import sys
import uuid
from typing import Any

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def execute(api: httpx2.Client, tool: str, key: str | None = None, **params: Any) -> dict[str, Any]:
    """Call one tool and return its result."""
    body: dict[str, Any] = {"tool_key": f"automation_{tool}", "bot": BOT, "params": params}
    if key is not None:
        body["idempotency_key"] = key  # a repeat after a lost answer hands nothing over twice
    answer = api.post("/api/tools/execute", json=body)
    content: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {content['error']}: {content['message']}")
    if content.get("say"):
        print(content["say"])
    result: dict[str, Any] = content["result"]
    return result


def main(name: str, *words: str) -> None:
    """List what can be started, and start one of it."""
    values = dict(word.split("=", 1) for word in words if "=" in word)
    with httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as api:
        for each in execute(api, "list_automations")["automations"]:
            print(
                f"  {each['name']}: {each['description']} {', '.join(each['takes']['properties'])}"
            )

        key = str(uuid.uuid4())
        call: dict[str, Any] = {"automation": name, "values": values}
        done = execute(api, "zapier_trigger", key, **call)
        if done.get("status") == "needs_confirmation":
            if "--yes" not in words:
                sys.exit("Nothing was handed over.")
            call["confirmation_code"] = done["confirmation_code"]
            done = execute(api, "zapier_trigger", key, **call)
    print(done["status"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit('What? python examples/hand_over.py tell_the_kitchen note="Two loaves more"')
    main(*sys.argv[1:])
