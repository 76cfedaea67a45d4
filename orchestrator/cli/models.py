"""`antiphon models`: serves the embedded models, and prepares the faster engine of one of them."""

from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserError
from config.settings import LlmEngine, settings
from orchestrator.cli.terminal import Failure, console, run

app = typer.Typer(help="The embedded models: hearing, speech and the language model.")

ModelPath = Annotated[Path | None, typer.Option(help="Other weights than those of the package.")]
Threads = Annotated[int, typer.Option(min=1, help="How many threads it may take.")]


@app.callback(
    invoke_without_command=True,
    help="Serve the embedded models on loopback, behind the OpenAI wire.",
)
def serve(
    ctx: typer.Context,
    speech: Annotated[bool, typer.Option(help="Text to speech.")] = True,
    hearing: Annotated[bool, typer.Option(help="Speech to text.")] = True,
    llm: Annotated[bool, typer.Option(help="The language model.")] = True,
    port: Annotated[
        int | None, typer.Option(help="0 takes a free one; MODELS_PORT by default.")
    ] = None,
    speech_path: ModelPath = None,
    hearing_path: ModelPath = None,
    llm_path: ModelPath = None,
    speech_threads: Threads = 1,
    hearing_threads: Threads = 2,
    llm_threads: Threads = 2,
    engine: Annotated[
        LlmEngine | None,
        typer.Option(help="Of the language model; LLM_ENGINE by default: the fastest that runs."),
    ] = None,
    slots: Annotated[int, typer.Option(help="How many calls llama.cpp remembers.")] = 2,
    context: Annotated[int, typer.Option(help="How many tokens a call may have.")] = 4096,
) -> None:
    """Serve the models; long because each option is a parameter."""
    if ctx.invoked_subcommand is not None:
        return
    from orchestrator.embedded.loader import LoadOptions
    from orchestrator.embedded.server import serve as serve_models

    config = settings()
    options = LoadOptions(
        speech=speech,
        hearing=hearing,
        llm=llm,
        speech_path=speech_path,
        hearing_path=hearing_path,
        llm_path=llm_path,
        speech_threads=speech_threads,
        hearing_threads=hearing_threads,
        llm_threads=llm_threads,
        engine=engine or config.llm_engine,
        slots=slots,
        context=context,
    )
    try:
        serve_models(config.models_host, config.models_port if port is None else port, options)
    except UserError as error:
        raise Failure(str(error)) from None


@app.command()
def prepare() -> None:
    """Make the language model ready for OpenVINO, which is faster on processors with VNNI."""
    from orchestrator.embedded import llm_engine

    folder = run(llm_engine.prepare(console.print))
    console.print(f"It is in {folder}.")


@app.command()
def status() -> None:
    """Show which engine would run the language model, and why."""
    from orchestrator.embedded import llm_engine

    choice = llm_engine.choose_engine(settings().llm_engine, None)
    console.print(f"engine: {choice.name} ({choice.reason})")
    preparation = llm_engine.look()
    if preparation.made:
        console.print(f"OpenVINO's model: {preparation.folder}, {preparation.size / 1e9:.2f} GB")


@app.command()
def remove() -> None:
    """Delete what was made for OpenVINO; llama.cpp answers from the next start on."""
    from orchestrator.embedded import llm_engine

    console.print(f"{llm_engine.remove() / 1e9:.2f} GB are free again.")
