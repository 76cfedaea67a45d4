"""Which engine runs the language model, on machines of every kind."""

from pathlib import Path

import pytest

from orchestrator.embedded import llm_engine
from orchestrator.embedded.llm_engine import choose_engine
from orchestrator.embedded.weights import WeightsError


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says what the processor can do: one with VNNI."""
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx2 avx512_vnni\n")
    monkeypatch.setattr("orchestrator.embedded.llm_engine._PROCESSOR", path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of models with nothing in it."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    return tmp_path / "models"


def make_model() -> None:
    """Have OpenVINO's model made."""
    folder = llm_engine.look().folder
    folder.mkdir(parents=True)
    (folder / "openvino_model.bin").write_bytes(b"x" * 100)


@pytest.mark.usefixtures("processor")
def test_the_faster_engine_is_taken_where_its_model_is_made() -> None:
    pytest.importorskip("openvino_genai")
    make_model()
    choice = choose_engine("auto", None)
    assert (choice.name, choice.folder) == ("openvino", llm_engine.look().folder)
    assert llm_engine.look().size == 100


@pytest.mark.usefixtures("processor")
def test_what_is_in_its_way_is_said() -> None:
    unmade = choose_engine("auto", None)
    assert unmade.name == "llama.cpp"
    assert "antiphon models prepare" in unmade.reason or "uv sync" in unmade.reason
    own = choose_engine("auto", Path("model.gguf"))
    assert own.name == "llama.cpp"
    assert "a model file was configured" in own.reason


def test_a_processor_without_vnni_keeps_llama_cpp(processor: Path) -> None:
    processor.write_text("flags : fpu avx avx2\n")
    make_model()
    choice = choose_engine("auto", None)
    assert choice.name == "llama.cpp"
    assert "VNNI" in choice.reason


@pytest.mark.usefixtures("processor")
def test_what_is_asked_for_is_taken_or_refused() -> None:
    assert choose_engine("llama.cpp", None).name == "llama.cpp"
    with pytest.raises(WeightsError, match=r"antiphon models prepare|uv sync"):
        choose_engine("openvino", None)


@pytest.mark.usefixtures("processor")
def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino_genai")
    monkeypatch.setattr("orchestrator.embedded.llm_engine._PREPARATION_GB", 1e6)
    assert "of memory are free" in choose_engine("auto", None).reason
    make_model()
    monkeypatch.setattr("orchestrator.embedded.llm_engine._MEMORY_GB", 1e6)
    assert "of memory are free" in choose_engine("auto", None).reason


async def test_a_model_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.embedded.llm_engine._DISK_GB", 1e6)
    with pytest.raises(WeightsError, match="cannot be made"):
        await llm_engine.prepare(lambda _: None)


def test_removing_gives_the_disk_back(cache: Path) -> None:
    make_model()
    assert llm_engine.remove() == 100
    assert not list(cache.glob("openvino-*"))
