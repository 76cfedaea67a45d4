"""The child process of the language model on OpenVINO: requests and answers are lines of JSON.

Loading blocks the interpreter, and a native library that fails takes its process along, so the
model has one of its own. It reads its settings as the first line of stdin, then requests; it exits
when stdin closes, so that it cannot outlive its parent. One thread steps the model, which answers
several requests at once; another one reads requests.
"""

import json
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NotRequired, TypedDict

import numpy as np

_END_OF_TURN = 151645  # <|im_end|>; the tokenizer that is made from a GGUF file names no other
_STEP_TOKENS = 256  # read in one step, in which no other request goes on
_BLOCK_TOKENS = 32
_SEQUENCES = 4
_PROPERTIES = {
    "INFERENCE_PRECISION_HINT": "f32",  # bf16 writes at half the speed, even with AMX
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 64,
    "KV_CACHE_PRECISION": "u8",
    "prompt_lookup": True,
}
_GUESSED_TOKENS, _NGRAM = 4, 3  # of prompt lookup
# xgrammar writes a bounded repetition out, place by place, and compiles for half a minute.
_BOUNDED = re.compile(r"\{([01]),\d+\}")


class OpenVinoSettings(TypedDict):
    """What the parent process sends first. `context` is in tokens; `folder` holds the model."""

    folder: str
    threads: int
    cache_tokens: int
    context: int


class Request(TypedDict):
    """What the parent process asks for; `cancel` ends an earlier request."""

    id: int
    text: NotRequired[str]
    options: NotRequired[dict[str, Any]]
    cancel: NotRequired[bool]


@dataclass(slots=True)
class _Running:
    """A request that is being answered."""

    id: int
    handle: Any
    prompt_tokens: int
    limit: int
    tokens: list[int] = field(default_factory=list[int])
    sent: str = ""


class _Model:
    """The model, its requests, and the thread that steps it."""

    def __init__(self, settings: OpenVinoSettings) -> None:
        self._genai = import_module("openvino_genai")
        self._tensor = import_module("openvino").Tensor
        self._settings = settings
        self._pipeline = self._open()
        self._tokenizer = self._pipeline.get_tokenizer()
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._running: dict[int, _Running] = {}
        self._numbers = 0

    def put(self, request: Request) -> None:
        """Take a request; answers are written to stdout."""
        self._requests.put(request)

    def run(self) -> None:
        """Answer requests for ever."""
        while True:
            while not self._running or not self._requests.empty():
                self._take(self._requests.get())
            try:
                self._pipeline.step()
            except RuntimeError as error:  # as would every later step, for example of a bad grammar
                for running in self._running.values():
                    _write({"id": running.id, "error": f"The model failed: {error}"[:300]})
                self._running.clear()
                self._pipeline = self._open()
                continue
            for running in list(self._running.values()):
                self._read(running)

    def _open(self) -> Any:
        scheduler = self._genai.SchedulerConfig()
        scheduler.num_kv_blocks = self._settings["cache_tokens"] // _BLOCK_TOKENS
        scheduler.max_num_batched_tokens = _STEP_TOKENS
        scheduler.max_num_seqs = _SEQUENCES
        scheduler.enable_prefix_caching = True
        scheduler.dynamic_split_fuse = True
        properties = {**_PROPERTIES, "INFERENCE_NUM_THREADS": self._settings["threads"]}
        folder = self._settings["folder"]
        return self._genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", properties)

    def _take(self, request: Request) -> None:
        number = request["id"]
        if request.get("cancel"):
            if running := self._running.pop(number, None):
                running.handle.cancel()
                self._settle()
            return
        encoded = self._tokenizer.encode(request.get("text", ""), add_special_tokens=False)
        tokens = np.ascontiguousarray(encoded.input_ids.data)
        options = request.get("options", {})
        limit = int(options.get("max_tokens", 1))
        length = int(tokens.shape[1])
        if length + limit > self._settings["context"]:
            message = f"{length} tokens exceed the context size of {self._settings['context']}"
            _write({"id": number, "error": message, "code": "context_length_exceeded"})
            return
        self._numbers += 1
        try:
            config = self._config(options, limit)
            handle = self._pipeline.add_request(self._numbers, self._tensor(tokens), config)
        except RuntimeError as error:
            _write({"id": number, "error": f"The request is refused: {error}"[:300]})
            return
        self._running[number] = _Running(number, handle, length, limit)

    def _settle(self) -> None:
        """Let the pipeline notice a cancelled request, if no other one will step it."""
        if not self._running and self._pipeline.has_non_finished_requests():
            self._pipeline.step()

    def _config(self, options: Mapping[str, Any], limit: int) -> Any:
        config = self._genai.GenerationConfig(max_new_tokens=limit)
        temperature = float(options.get("temperature") or 0)
        config.do_sample = temperature > 0
        if temperature > 0:
            config.temperature = temperature
            config.top_p = float(options.get("top_p") or 1)
            config.rng_seed = int(options.get("seed") or 0)
        config.set_eos_token_id(_END_OF_TURN)
        config.num_assistant_tokens, config.max_ngram_size = _GUESSED_TOKENS, _NGRAM
        if stop := options.get("stop"):
            config.stop_strings = {stop} if isinstance(stop, str) else set(stop)
        structure = _structure(options)
        if structure:
            config.structured_output_config = self._genai.StructuredOutputConfig(**structure)
        return config

    def _read(self, running: _Running) -> None:
        """Send what was generated in this step."""
        handle = running.handle
        while handle.can_read():
            for output in handle.read().values():
                running.tokens += output.generated_ids
        text = self._tokenizer.decode(running.tokens)  # special tokens are left out
        # The bytes of a character may come in two steps.
        if len(text) > len(running.sent) and not text.endswith("\ufffd"):
            _write({"id": running.id, "text": text[len(running.sent) :]})
            running.sent = text
        if handle.get_status() == self._genai.GenerationStatus.RUNNING:
            return
        count = len(running.tokens)
        cut_off = count >= running.limit and running.tokens[-1] != _END_OF_TURN
        usage = {
            "prompt_tokens": running.prompt_tokens,
            "completion_tokens": count,
            "total_tokens": running.prompt_tokens + count,
        }
        _write({"id": running.id, "finish": "length" if cut_off else "stop", "usage": usage})
        del self._running[running.id]


def _structure(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what the answer has to look like, as arguments of `StructuredOutputConfig`."""
    if grammar := options.get("grammar"):
        return {"grammar": _BOUNDED.sub(lambda found: "*" if found[1] == "0" else "+", grammar)}
    match options.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return {"json_schema": json.dumps(schema)}
        case {"type": "json_object"}:
            return {"json_schema": '{"type": "object"}'}
        case _:
            return {}


def _write(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve one model until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    model = _Model(json.loads(sys.stdin.readline()))
    _write({"ready": True})
    threading.Thread(target=model.run, daemon=True).start()
    for line in sys.stdin:
        model.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
