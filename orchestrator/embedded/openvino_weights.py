"""Makes OpenVINO's own model of a GGUF file, once: int8 weights taken from the file itself.

OpenVINO's GGUF reader gives the graph. Its weights are replaced: it rounds the minima of Q4_K,
which costs 8 % of their accuracy (root mean square) and changes answers. Run as a program, so that
its 4.5 GB are given back: `python -m orchestrator.embedded.openvino_weights GGUF FOLDER`.
"""

import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 4096  # that are converted at once: the output layer alone would be 1 GB of floats
_LARGEST = 127  # of an int8
_SMALLEST_SCALE = 1e-7  # what float16 can still hold
_MODEL = "openvino_model"  # the name that OpenVINO looks for


def prepare(gguf: Path, folder: Path) -> None:
    """Write the model into `folder`, which appears only once it is whole."""
    openvino, genai = import_module("openvino"), import_module("openvino_genai")
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    # The reader writes its model beside the file that it reads, so it is given a link.
    link = unfinished / "model.gguf"
    link.symlink_to(gguf.resolve())
    genai.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    model = openvino.Core().read_model(unfinished / f"{_MODEL}.xml")
    _replace_weights(openvino, model, gguf)
    openvino.save_model(model, unfinished / "int8.xml", compress_to_fp16=False)
    del model
    for suffix in (".xml", ".bin"):
        (unfinished / f"int8{suffix}").replace(unfinished / f"{_MODEL}{suffix}")
    link.unlink()
    unfinished.replace(folder)


def _replace_weights(openvino: Any, model: Any, gguf: Path) -> None:
    """Put int8 weights with one scale for each row in place of the reader's."""
    reader = import_module("gguf").GGUFReader(gguf)
    tensors = [tensor for tensor in reader.tensors if len(tensor.shape) == 2]
    op = openvino.opset13
    for node in model.get_ordered_ops():
        port = {"MatMul": 1, "Gather": 0}.get(node.get_type_name())
        if port is None:
            continue
        old = node.input_value(port)
        if old.node.get_type_name() != "Convert" or old.partial_shape.is_dynamic:
            continue
        values, scales = _quantize(_find_tensor(openvino, old, tensors))
        weights = op.multiply(op.convert(op.constant(values), "f16"), op.constant(scales))
        node.input(port).replace_source_output(op.convert(weights, "f32").output(0))


def _find_tensor(openvino: Any, output: Any, tensors: Iterable[Any]) -> Any:
    """Return the tensor that the reader made an output from: of its shape, with its first row."""
    op = openvino.opset13
    row = openvino.Model([op.gather(output, op.constant([0]), op.constant(0))], [])
    values = openvino.Core().compile_model(row, "CPU")()[0]
    shape = tuple(output.shape)
    fitting = [each for each in tensors if tuple(map(int, each.shape[::-1])) == shape]
    return min(fitting, key=lambda each: float(np.abs(_dequantize(each, 0, 1) - values).sum()))


def _quantize(tensor: Any) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    rows = len(tensor.data)
    values: NDArray[np.int8] = np.empty(tuple(map(int, tensor.shape[::-1])), np.int8)
    scales: list[NDArray[np.float16]] = []
    for start in range(0, rows, _ROWS):
        part = _dequantize(tensor, start, start + _ROWS)
        largest = np.abs(part).max(1, keepdims=True)
        scale = np.maximum(largest / _LARGEST, _SMALLEST_SCALE).astype(np.float16)
        rounded = np.rint(part / scale.astype(np.float32))
        values[start : start + _ROWS] = np.clip(rounded, -_LARGEST, _LARGEST)
        scales.append(scale)
    return values, np.vstack(scales)


def _dequantize(tensor: Any, start: int, stop: int) -> NDArray[np.float32]:
    dequantize = import_module("gguf.quants").dequantize
    part: NDArray[np.float32] = dequantize(tensor.data[start:stop], tensor.tensor_type)
    return part


def main(arguments: Sequence[str]) -> None:
    """Prepare the model that the arguments name."""
    gguf, folder = arguments
    prepare(Path(gguf), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
