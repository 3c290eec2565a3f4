"""The list of models to serve: `name=source` between commas, or a TOML file with a table for each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from bentorank.cascade.first_stage import EMBEDDINGS, NO_FIRST_STAGE
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PrecisionName = Literal["auto", "f32", "bf16", "f16", "int8"]
OverflowName = Literal["truncate", "chunk", "error"]
PromptFormat = Literal["qwen3-reranker", "mxbai-rerank-v2", "bge-reranker-v2-gemma", "zerank"]
MaxPairTokens = Annotated[int, Field(ge=16)]

# A label of metrics, a part of a path, and a word of log lines.
NAME = r"^[^\s,=\x00-\x1f\x7f]{1,200}$"
Name = Annotated[str, Field(pattern=NAME)]

STARTER = "starter"
FILE_SUFFIX = ".toml"
TABLES = "models"
# More is a mistake, and each takes memory.
MAX_MODELS = 32
# As a first stage these are the model's own word embeddings, and nothing.
RESERVED = (EMBEDDINGS, NO_FIRST_STAGE)
MAX_FILE_BYTES = 1_000_000

SETTING = "BENTORANK_MODELS"


def _refuse_reserved(name: str) -> str:
    if name in RESERVED:
        raise PydanticCustomError("reserved", "no model can be called {name}: see first_stage", {"name": name})
    return name


ModelName = Annotated[Name, AfterValidator(_refuse_reserved)]


class ModelEntry(BaseModel):
    """One model to serve. What is None is as the setting of the same name says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    name: ModelName
    source: str = Field(min_length=1)
    revision: str | None = None
    aliases: Annotated[tuple[ModelName, ...], Field(strict=False)] = ()
    precision: PrecisionName | None = None
    max_pair_tokens: MaxPairTokens | None = None
    instruction: str | None = Field(None, max_length=4000)
    prompt_format: PromptFormat | None = None
    overflow: OverflowName | None = None
    first_stage: Name | None = None
    keep: Annotated[int, Field(ge=1)] | None = None
    two_labels: bool | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that a request may ask for it by."""
        return self.name, *self.aliases


def read_model_list(value: str) -> tuple[ModelEntry, ...]:
    """The models that `BENTORANK_MODELS` asks for, the default first.

    Raises ConfigurationError, in one sentence that names the entry and the field.
    """
    entries = [read_entry(table, place) for place, table in _tables(value.strip())]
    if not entries:
        raise ConfigurationError(f"{SETTING}: there is no model in it")
    if len(entries) > MAX_MODELS:
        raise ConfigurationError(f"{SETTING}: {len(entries)} models, more than {MAX_MODELS}")
    check_names(entries)
    return tuple(entries)


def from_any_folder(value: str) -> str:
    """The same list for a process that starts in another folder; the sources in a file stay as they are written."""
    text = value.strip()
    if _is_file(text):
        return str(Path(text).expanduser().resolve())
    items = [_of_item(item) for item in text.split(",") if item.strip()]
    return ",".join("=".join([item["name"], *_resolved(item)]) for item in items)


def _resolved(item: Mapping[str, Any]) -> list[str]:
    """Its source, if it has one."""
    source = item.get("source")
    if source is None:
        return []
    return [str(Path(source).resolve()) if Path(source).is_dir() else source]


def read_entry(table: Mapping[str, Any], place: str = "") -> ModelEntry:
    """One model as it is described. Raises ConfigurationError naming the `place`, if there is one, and the field."""
    # The one name that says which model it is.
    known = {"source": STARTER, **table} if table.get("name") == STARTER else table
    try:
        return ModelEntry.model_validate(known)
    except ValidationError as error:
        shown = f"{_shown(table, place)}: " if place else ""
        raise ConfigurationError(f"{shown}{_problem(error)}") from None


def of_model(name: str, message: str) -> str:
    """What there is against one model of several, whose settings are fields of its own, and not of the environment."""
    for field in ModelEntry.model_fields:
        message = message.replace(f"BENTORANK_{field.upper()}", field)
    return f"model {name}: {message}"


def check_names(entries: Sequence[ModelEntry]) -> None:
    """Raises ConfigurationError where two models have one name, or one has it twice."""
    owners: dict[str, str] = {}
    for entry in entries:
        for name in entry.names:
            if name in owners:
                kind = "name" if name == entry.name else "alias"
                raise ConfigurationError(f"{SETTING}: {entry.name}: {kind}: {name} is taken by {owners[name]}")
            owners[name] = entry.name


def _is_file(text: str) -> bool:
    return text.endswith(FILE_SUFFIX) and "=" not in text and "," not in text


def _tables(text: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    tables = _read_file(Path(text)) if _is_file(text) else [_of_item(item) for item in text.split(",") if item.strip()]
    return [(f"{SETTING}: entry {number}", table) for number, table in enumerate(tables, start=1)]


def _of_item(item: str) -> Mapping[str, Any]:
    name, has_source, source = item.strip().partition("=")
    return {"name": name.strip()} | ({"source": source.strip()} if has_source else {})


def _read_file(path: Path) -> list[Mapping[str, Any]]:
    """The tables of a file. Raises ConfigurationError, without the path: it is not for the log."""
    try:
        content = path.expanduser().read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{SETTING}: the file is larger than {MAX_FILE_BYTES} bytes")
        document = tomllib.loads(content.decode())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise ConfigurationError(f"{SETTING}: the file: {reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = re.search(r"\(at .*\)$", str(error))
        raise ConfigurationError(f"{SETTING}: the file is not TOML {place[0] if place else ''}".rstrip()) from None
    if unknown := [key for key in document if key != TABLES]:
        raise ConfigurationError(f"{SETTING}: the file has {unknown[0]}, and only tables [[{TABLES}]] are read")
    tables = document.get(TABLES, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError(f"{SETTING}: the file must have a table [[{TABLES}]] for each model")
    return tables


def _shown(table: Mapping[str, Any], place: str) -> str:
    name = table.get("name")
    return f"{place} ({name})" if isinstance(name, str) and re.match(NAME, name) else place


_PROBLEMS = {
    "missing": "is missing",
    "string_pattern_mismatch": "must be 1 to 200 characters without spaces, commas or =",
    "string_too_short": "is empty",
    "tuple_type": "must be a list",
}


def _problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    field = problem["loc"][0]
    match problem["type"]:
        case "missing" if field == "source":
            return "source: is missing: write name=source, where source is a folder or a Hugging Face model id"
        case "extra_forbidden":
            return f"{field}: is no setting of a model; there are {', '.join(ModelEntry.model_fields)}"
        case kind:
            return f"{field}: {_PROBLEMS.get(kind) or problem['msg'].replace('Input should be', 'must be')}"
