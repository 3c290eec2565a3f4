"""The options that say which model is loaded here, and how it computes."""

from __future__ import annotations

from typing import Annotated

import typer

from bentorank.engines.options import EngineKind, Precision

MODEL = "Model"

Model = Annotated[
    str | None,
    typer.Option(help="`starter`, a folder or a Hugging Face model id.", rich_help_panel=MODEL, show_default=False),
]
Engine = Annotated[
    EngineKind | None,
    typer.Option(metavar="<engine>", help=f"{', '.join(EngineKind)}.", rich_help_panel=MODEL, show_default=False),
]
ComputedIn = Annotated[
    Precision | None,
    typer.Option(metavar="<precision>", help=f"{', '.join(Precision)}.", rich_help_panel=MODEL, show_default=False),
]
