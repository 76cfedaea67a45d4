"""Call a bot with lines of text: each is spoken by a speech model, and played to the agent.

    ANTIPHON_KEY=ak_… ANTIPHON_BOT=yard python examples/scripted_caller.py examples/boat_yard.txt

Every line of the file is one turn of the caller's. SPEECH_URL names a speech model with OpenAI's
API; its default is the embedded one (http://127.0.0.1:8091/v1).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2

CALL = Path(__file__).with_name("call_with_audio.py")
if "ANTIPHON_KEY" not in os.environ:
    sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")

SPEECH_URL = os.environ.get("SPEECH_URL", "http://127.0.0.1:8091/v1")
VOICE = os.environ.get("SPEECH_VOICE", "joe-high")


def synthesize(lines: list[str], folder: Path) -> list[str]:
    """Speak each line into a file, and return the files' names."""
    files: list[str] = []
    for number, line in enumerate(lines, start=1):
        body = {"input": line, "voice": VOICE, "response_format": "wav"}
        answer = httpx2.post(f"{SPEECH_URL}/audio/speech", json=body, timeout=60)
        if answer.is_error:
            sys.exit(f"The speech model refused line {number}: {answer.status_code}")
        file = folder / f"{number}.wav"
        file.write_bytes(answer.content)
        files.append(str(file))
    return files


def main(script: Path) -> None:
    """Speak the script, then call with it."""
    lines = [line.strip() for line in script.read_text("utf-8").splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        call = subprocess.run([sys.executable, CALL, *synthesize(lines, Path(folder))], check=False)
    sys.exit(call.returncode)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Which lines? python examples/scripted_caller.py examples/boat_yard.txt")
    main(Path(sys.argv[1]))
