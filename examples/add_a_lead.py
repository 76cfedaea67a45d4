"""Add a lead to the bot's CRM over REST, as a web form would, and print its id.

    ANTIPHON_KEY=ak_… ANTIPHON_BOT=yard python examples/add_a_lead.py "Nora Lind" "+47 22 555 0192"

ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import os
import sys

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def main(name: str, phone: str) -> None:
    """Add the lead; a second run with the same name and number adds no second one."""
    request = {
        "bot": BOT,
        "tool_key": "crm_create_lead",
        "params": {"name": name, "phone": phone, "source": "web form"},
        "idempotency_key": f"{name} {phone}",
    }
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx2.post(f"{URL}/api/tools/execute", json=request, headers=headers, timeout=20)
    if answer.is_error:
        sys.exit(answer.json()["message"])
    print(answer.json()["result"]["id"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('Who? python examples/add_a_lead.py "Nora Lind" "+47 22 555 0192"')
    main(sys.argv[1], sys.argv[2])
