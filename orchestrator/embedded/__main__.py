"""`python -m orchestrator.embedded`: the embedded models as a program of their own."""

import argparse
import sys
from pathlib import Path

from orchestrator.embedded.loader import Options
from orchestrator.embedded.server import DEFAULT_PORT, serve
from orchestrator.embedded.weights import WeightsError


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="orchestrator.embedded", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    for part, model in (
        ("hearing", "a CTranslate2 Whisper folder"),
        ("speech", "a Piper .onnx file"),
        ("llm", "a GGUF file"),
    ):
        parser.add_argument(f"--no-{part}", dest=part, action="store_false")
        parser.add_argument(f"--{part}-path", type=Path, help=model)
        parser.add_argument(f"--{part}-threads", type=int, default=1 if part == "speech" else 2)
    parser.add_argument("--slots", type=int, default=2, help="calls the language model remembers")
    parser.add_argument("--context", type=int, default=3072, help="tokens per slot")
    arguments = vars(parser.parse_args())
    port = arguments.pop("port")
    try:
        serve(port=port, options=Options(**arguments))
    except WeightsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
