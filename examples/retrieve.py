"""Ask a bot's documents a question: the passages that its language model would be given.

    ANTIPHON_KEY=ak_… python examples/retrieve.py "What does a lining cost?"

ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import os
import sys

import httpx2

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")


def main() -> None:
    """Print the best passages, best first."""
    question = " ".join(sys.argv[1:]) or "How much is a new lining?"
    with httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"}) as api:
        answer = api.post("/api/rag/retrieve", json={"query": question, "bot": BOT, "top_k": 3})
    found = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {found['error']}: {found['message']}")

    for passage in found["passages"]:
        print(f"{passage['score']:.3f}  {passage['source']}: {passage['text']}")


if __name__ == "__main__":
    main()
