"""Every setting of the service, read once from `BENTORANK_…` environment variables and perhaps a file of them.

Contradictions refuse to start.
"""

from __future__ import annotations

import difflib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bentorank.cascade.first_stage import DEFAULT_KEEP, EMBEDDINGS, NO_FIRST_STAGE
from bentorank.errors import ConfigurationError
from bentorank.http.edge.key_rule import KEY_RULE, MIN_ADMIN_KEY_CHARS, is_usable_key, key_rule
from bentorank.model_list import (
    MaxPairTokens,
    ModelEntry,
    OverflowName,
    PrecisionName,
    PromptFormat,
    read_model_list,
)
from bentorank.observability.logging.options import LogFormat
from bentorank.process.env_file import read_env_file

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "BENTORANK_"
# What bentorank-client reads; service and client may be started from one environment.
CLIENT_NAMES = frozenset({"BENTORANK_BASE_URL", "BENTORANK_API_KEY"})

ENV_FILE = f"{PREFIX}ENV_FILE"

# Told nothing, a language model may still be asked.
MAY_BE_EMPTY = frozenset({"instruction"})

PositiveInt = Annotated[int, Field(ge=1)]
# Threads or processes: more than the largest machines have, and few enough to start all the same.
CountOfFew = Annotated[int, Field(ge=1, le=1024)]

# As a browser sends it.
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")


def _split(value: object) -> object:
    """A list in one variable: its items, between commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


Listed = BeforeValidator(_split)
PositiveSeconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The settings of one service process. Frozen; `read_settings` makes one."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", protected_namespaces=())

    # The model
    model: str = Field("starter", description="`starter` (the shipped model), a folder, or a Hugging Face model id.")
    models: str | None = Field(
        None,
        description="Several models on one device instead: `name=source` between commas, or a TOML file with a table"
        " `[[models]]` for each; the first is the default. See docs/models.md.",
    )
    model_revision: str | None = Field(None, description="Commit, tag or branch of a Hugging Face model.")
    served_model_name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")] | None = Field(
        None, description="Name of the model in answers; its own name unless set."
    )
    strict_model: bool = Field(
        default=False,
        description="Refuse requests that name a model which is not served with 404; they get the default unless set.",
    )
    engine: Literal["auto", "torch", "openvino", "fake"] = Field(
        "auto", description="`auto`: torch on a GPU, OpenVINO on a CPU. `fake` ranks nothing: for load tests."
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="`auto`, `cpu`, `mps`, `cuda` or `cuda:N`."
    )
    precision: PrecisionName = Field(
        "auto", description="Number format of the forward pass; `auto` picks what this device does best."
    )
    max_pair_tokens: MaxPairTokens | None = Field(
        None, description="Cut the model's window to this many tokens a pair."
    )
    instruction: str | None = Field(
        None,
        max_length=4000,
        description="What a language model is told to look for, unless the request says; its own default unless set.",
    )
    prompt_format: PromptFormat | None = Field(
        None,
        description="How a causal language model is asked whose files do not say: the family that it was trained as.",
    )
    two_labels: bool = Field(
        default=False,
        description="The model has two labels, of which the second is relevance: score by its logit less the first's.",
    )
    threads: CountOfFew | None = Field(
        None, description="CPU threads of the engine; as many as there are cores unless set."
    )
    streams: CountOfFew | None = Field(
        None,
        description="Forward passes at a time on a CPU, which divide the threads; unless set one a thread up to 4,"
        " then one for 2 threads up to 16, and those beyond 4 while a quarter of the memory holds them.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="On an NVIDIA GPU, launch the operations of a small batch at once, as they were recorded at the"
        " start; off saves the memory that the largest of these batches takes.",
    )
    compile_layers: bool | None = Field(
        None,
        description="On an NVIDIA GPU, compile the layers of a language model, which takes some twenty seconds of the"
        " first start; unless set, where there is a C compiler.",
    )
    fast_tokenizer: bool = Field(
        default=True,
        description="Read the texts of WordPiece models, BERT and its like, with nanotoken where it gives the ids of"
        " the tokenizers library, which is tried at the start and on one text of a thousand after.",
    )
    cache_dir: Path = Field(
        Path("~/.cache/bentorank"), description="Where converted models and compiled layers are kept between starts."
    )

    # Scheduling
    max_batch_tokens: PositiveInt | None = Field(
        None,
        description="Tokens of one forward pass, padding included; unless set 32768 on a GPU, on a CPU 1024, or 512 for"
        " each thread that shares it.",
    )
    max_queue_tokens: PositiveInt | None = Field(
        None,
        description="Tokens that may wait for a model; what does not fit is refused with 429. Unless set 250,000 a core"
        " of a CPU or 8 million with a GPU, as far as memory allows, and a million at least.",
    )
    target_wait_s: PositiveSeconds = Field(
        0.5,
        description="A request that would have to wait behind others for longer, and for longer than 30 times its own"
        " work, is refused with 429; for 5 seconds after that, whoever would wait for 20 times its own. 3600 leaves it"
        " to deadlines.",
    )
    # The tokenizer spreads each call over all cores by itself: a second thread is for what Python does between its
    # calls, and for a small request beside a large one. On 16 cores 8 threads did no more.
    tokenizer_threads: CountOfFew = Field(2, description="Threads that tokenise, off the event loop.")
    stalled_after_s: PositiveSeconds = Field(
        10.0,
        description="A forward pass that takes longer, and ten times as long as others did, hangs: `/livez` fails and "
        "the worker is replaced.",
    )

    # Score cache
    cache: bool = Field(
        default=True,
        description="Remember the scores of pairs, and compute once what several requests ask for at a time.",
    )
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        64 * 1024 * 1024,
        description="Memory for remembered scores of a worker, about 160 bytes each: 400,000, which take a CPU hours"
        " and a GPU a minute. 0 where Redis alone is to remember.",
    )
    cache_ttl_s: Annotated[float, Field(ge=1, le=31_536_000, allow_inf_nan=False)] = Field(
        86_400.0,
        description="How long a query's scores are kept after the last of them was stored. They never become wrong:"
        " what they depend on is part of their name.",
    )
    cache_url: SecretStr | None = Field(
        None,
        description="Redis or Valkey to remember scores in, for all workers and over restarts: `redis://host:6379/0`,"
        " `rediss://user:password@host:6380`, `unix:///path`. None unless set.",
    )
    cache_url_file: Path | None = Field(
        None, description="A file with that URL in it, such as a mounted secret: a password stands in no environment."
    )

    # Requests
    request_timeout_s: PositiveSeconds = Field(
        30.0, description="Deadline of a request; a caller may ask for less, never for more."
    )
    max_body_bytes: PositiveInt = Field(
        10 * 1024 * 1024, description="Size of a request body; more is refused with 413."
    )
    max_documents: PositiveInt = Field(1000, description="Documents of one request; more are refused with 413.")
    max_document_chars: PositiveInt = Field(
        200_000, description="Characters of one document; more are refused with 413."
    )
    max_query_chars: PositiveInt = Field(8_000, description="Characters of a query; more are refused with 413.")
    max_batch_requests: PositiveInt = Field(
        64, description="Requests in one `/rerank/batch`; more are refused with 413."
    )

    max_request_tokens: PositiveInt = Field(
        600_000, description="Tokens to score of one request, chunks included; more are refused with 413."
    )
    max_json_items: Annotated[int, Field(ge=1000)] = Field(
        250_000,
        description="Values, keys, lists and objects of a body together, since each costs time and memory that its"
        " bytes do not show; more are refused with 413.",
    )
    max_json_depth: Annotated[int, Field(ge=4, le=500)] = Field(
        64, description="Levels that a body may be nested; deeper is refused with 400."
    )
    header_timeout_s: PositiveSeconds = Field(
        15.0, description="Time for the head of a request; who takes longer is answered 408 and cut off."
    )
    max_header_bytes: Annotated[int, Field(ge=1024)] = Field(
        65_536, description="Size of the head of a request, and of its trailers; more is refused with 431."
    )
    max_bodies_bytes: PositiveInt = Field(
        32 * 1024 * 1024,
        description="Size of all request bodies that are being read or worked on, together, since each takes several"
        " times its size of memory; what does not fit is refused with 429. Of answers that wait to be read as much:"
        " beyond that, who hardly reads is cut off, and at four times that whoever reads the slowest.",
    )
    max_connections: PositiveInt = Field(
        4096,
        description="Connections at a time, fewer where the system allows fewer open files; beyond that idle ones are"
        " closed, and if there are none, new ones are refused with 503.",
    )
    body_timeout_s: PositiveSeconds = Field(
        30.0,
        description="Time for the body of a request, and for its answer to be read, of which each 64 KiB have a second"
        " more; who takes longer is cut off.",
    )
    overflow: OverflowName = Field(
        "truncate",
        description="What happens to a document that does not fit into the model's window, unless the request says.",
    )
    first_stage: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="What orders the documents of a request cheaply, so that the model reads only the best `keep` of"
        " them, unless the request says: `embeddings`, the model's own word embeddings, or another of the models. None"
        " unless set. See docs/cascade.md.",
    )
    keep: PositiveInt = Field(
        DEFAULT_KEEP,
        description="Documents that the model reads where there is a first stage, and `top_n` at least; the others have"
        " no score.",
    )
    query_overflow: Literal["error", "truncate"] = Field(
        "error", description="What happens to a query longer than half the window: refused with 400, or cut to that."
    )

    # Access
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, Listed] = Field(
        (), description="Keys that requests must show, between commas; none is needed unless set."
    )
    api_keys_file: Path | None = Field(
        None, description="A file of further keys, one a line; read again when it changes, so keys rotate."
    )
    key_tokens_per_s: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        None,
        description="Model tokens a second that each API key may use, in each worker; more is refused with 429 and"
        " `Retry-After`, no limit unless set. Cached scores use none; of what a first stage reads by word embeddings,"
        " 64 count as one.",
    )
    key_burst_tokens: PositiveInt | None = Field(
        None,
        description="Tokens that a key may use at once after a pause; those of 10 seconds unless set. A request of more"
        " waits until it may use all of them.",
    )
    admin_key: SecretStr | None = Field(
        None,
        description="Key of `/admin/models`, which loads and unloads models while the others serve; no API key opens"
        " it, and there is no such route unless set. 16 characters at least. For one worker.",
    )
    metrics_need_key: bool = Field(default=False, description="`/metrics` is for holders of a key alone.")
    cors_origins: Annotated[tuple[str, ...], NoDecode, Listed] = Field(
        (), description="Origins of web pages that may call the service, between commas; `*` is all, none unless set."
    )

    # Process
    env_file: Path | None = Field(
        None, description="A file of further settings, `NAME=value` lines; a variable of the environment wins over it."
    )
    host: str = Field(
        "127.0.0.1", description="Address that `bentorank serve` listens on; `0.0.0.0` for every interface."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(3000, description="Port of `bentorank serve`.")
    workers: CountOfFew | None = Field(
        None,
        description="Worker processes, as many as share a GPU unless set. On a host with N GPUs, N times as many: each"
        " GPU has its own. On a CPU they divide the cores.",
    )
    workers_per_gpu: CountOfFew = Field(
        1,
        description="Workers that share a GPU, each with a model of its own and its part of the memory. Unless set,"
        " `bentorank serve` starts two of a small model beside 8 cores: one Python process could not feed a large GPU.",
    )
    gpus: Annotated[int, Field(ge=0)] | None = Field(
        None, description="GPUs to claim from BentoML; as many as the workers need where a GPU is used, unless set."
    )
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        0.0, description="After SIGTERM, keep serving this long with `/readyz` at 503 before stopping."
    )
    docs: bool = Field(default=True, description="Serve `/docs` and `/openapi.json`.")
    playground: bool = Field(
        default=True,
        description="Serve `/playground`, a page to try the service on; rankings need a key there as elsewhere.",
    )
    tracing: bool = Field(
        default=False,
        description="Send OpenTelemetry spans to `OTEL_EXPORTER_OTLP_ENDPOINT`, of the share of requests in"
        " `OTEL_TRACES_SAMPLER_ARG` unless the caller's trace says; needs the extra `tracing`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line.")
    log_format: LogFormat = Field(
        LogFormat.CONSOLE, description="`console`, lines for people, or `json`, an object a line; to standard output."
    )
    log_file: Path | None = Field(
        None, description="Write the log to this file too, which all workers share; it is renamed when it is full."
    )
    log_file_max_bytes: Annotated[int, Field(ge=1024)] = Field(
        50 * 2**20, description="Bytes at which the log file is renamed, and a new one begun."
    )
    log_file_count: Annotated[int, Field(ge=2, le=100)] = Field(
        5, description="Log files that are kept, the one being written among them; older ones are deleted."
    )
    access_log: bool = Field(
        default=False, description="Log a line for each request: route, status, sizes, tokens, times; never its texts."
    )
    access_log_share: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="Share of requests in the access log; those that end with 5xx, and slow ones, are always in it.",
    )
    access_log_slow_s: PositiveSeconds = Field(1.0, description="A request that takes so long is slow.")

    # The fake engine
    fake_batch_delay_ms: Annotated[float, Field(ge=0, le=60_000)] = Field(
        0.0, description="`fake` engine: time of one forward pass."
    )
    fake_gpus: Path | None = Field(
        None,
        description="`fake` engine: a folder with a file for each GPU, 0, 1, …; one whose file is gone is lost.",
    )
    fake_token_delay_us: Annotated[float, Field(ge=0, le=60_000)] = Field(
        0.0, description="`fake` engine: further time for each token, padding included."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file which either of them names."""
        path = (env_settings() | init_settings()).get("env_file")
        from_file = {} if path is None else _values_by_field(Path(path))
        return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_nothing(cls, value: object, field: ValidationInfo) -> object:
        """A list without an item would let everybody in, an empty path means the folder that one happens to be in."""
        if isinstance(value, str) and not value.strip(" \t\n,") and field.field_name not in MAY_BE_EMPTY:
            raise ValueError("it is set, but there is nothing in it: unset it, or give it a value")
        return value

    @field_validator("cache_dir")
    @classmethod
    def _check_home(cls, folder: Path) -> Path:
        try:
            folder.expanduser()
        except RuntimeError:
            raise ValueError("there is no home folder for ~: set it, or HOME, to a folder to write to") from None
        return folder

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(is_usable_key(key.get_secret_value().encode()) for key in keys):
            raise ValueError(KEY_RULE)
        return keys

    @field_validator("admin_key")
    @classmethod
    def _check_admin_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not is_usable_key(key.get_secret_value().encode(), MIN_ADMIN_KEY_CHARS):
            raise ValueError(key_rule(MIN_ADMIN_KEY_CHARS))
        return key

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("an origin is * or like https://app.example:8443, without a path or a slash at its end")
        return origins

    @model_validator(mode="after")
    def _refuse_useless_limits(self) -> Self:
        if self.max_body_bytes > self.max_bodies_bytes:
            raise ValueError("max_body_bytes exceeds max_bodies_bytes: so large a body could never be read")
        if self.max_documents > self.max_json_items:
            raise ValueError("max_documents exceeds max_json_items: so many documents could not be sent")
        return self

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        batch, queue = self.max_batch_tokens, self.max_queue_tokens
        if batch is not None and queue is not None and batch > queue:
            raise ValueError("max_batch_tokens exceeds max_queue_tokens: a batch could never be filled")
        if self.engine == "openvino" and self.device not in ("auto", "cpu"):
            raise ValueError(f"engine openvino runs on the CPU, but device is {self.device}: use engine torch")
        if self.engine == "torch" and self.precision == "int8":
            raise ValueError("precision int8 needs engine openvino, but engine is torch")
        if self.streams is not None and self.threads is not None and self.streams > self.threads:
            raise ValueError(f"streams is {self.streams} but threads is {self.threads}: each stream needs a thread")
        if self.cache_url is not None and self.cache_url_file is not None:
            raise ValueError("cache_url and cache_url_file are both set: unset one of them")
        for name in ("cache_url", "cache_url_file"):
            if getattr(self, name) is not None and not self.cache:
                raise ValueError(f"{name} is set, but cache is off: unset one of them")
        return self

    @model_validator(mode="after")
    def _refuse_an_admin_key_that_cannot_be_meant(self) -> Self:
        if self.admin_key is None:
            return self
        if self.worker_count > 1:
            raise ValueError(
                f"admin_key is set, but there are {self.worker_count} workers, of which each change would reach one:"
                " use one worker, or change models and start again"
            )
        if self.admin_key in self.api_keys:
            raise ValueError("admin_key is one of api_keys too: who reranks could change what is served")
        return self

    @model_validator(mode="after")
    def _refuse_bad_models(self) -> Self:
        if self.models is None:
            return self
        for name in ("model", "model_revision", "served_model_name"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} and models are both set: unset one of them")
        try:
            _ = self.model_entries
        except ConfigurationError as error:
            raise ValueError(error.message) from None
        return self

    @cached_property
    def model_entries(self) -> tuple[ModelEntry, ...]:
        """The models of the list, the default first; none where there is no list but one `model`."""
        return () if self.models is None else read_model_list(self.models)

    @model_validator(mode="after")
    def _refuse_unknown_first_stages(self) -> Self:
        others = {name for entry in self.model_entries for name in entry.names}
        for entry in (None, *self.model_entries):
            name = self.first_stage if entry is None else entry.first_stage
            own = () if entry is None else entry.names
            if name is not None and name not in {EMBEDDINGS, NO_FIRST_STAGE, *others} - {*own}:
                of = f"of {entry.name} " if entry is not None else ""
                raise ValueError(f"first_stage {of}is {name}, which is neither {EMBEDDINGS} nor another of the models")
        return self

    def first_stage_of(self, entry: ModelEntry | None) -> str | None:
        """What prunes before that model reads, unless a request says: nothing where that is the first stage itself."""
        if entry is None or entry.first_stage is not None:
            return self.first_stage if entry is None else entry.first_stage
        return NO_FIRST_STAGE if self.first_stage in entry.names else self.first_stage

    @model_validator(mode="after")
    def _refuse_workers_without_a_device(self) -> Self:
        share, workers = self.workers_per_gpu, self.worker_count
        if share > 1 and (self.device in ("cpu", "mps") or self.engine == "openvino"):
            raise ValueError(f"workers_per_gpu is {share}, but no NVIDIA GPU is used: set workers")
        if workers % share:
            raise ValueError(f"workers is {workers} but workers_per_gpu is {share}: each GPU has as many as the others")
        if self.gpu_count > 1 and self.device.startswith("cuda:"):
            raise ValueError(f"device {self.device} puts all {workers} workers on one GPU: use device cuda")
        if self.gpus is not None and 0 < self.gpus < self.gpu_count:
            raise ValueError(
                f"workers is {workers} but gpus is {self.gpus}: each worker needs its own GPU, or set workers_per_gpu"
            )
        return self

    @property
    def worker_count(self) -> int:
        """Of all devices together."""
        return self.workers or self.workers_per_gpu

    @property
    def gpu_count(self) -> int:
        """How many GPUs the workers need where they use them."""
        return self.worker_count // self.workers_per_gpu

    @model_validator(mode="after")
    def _refuse_rules_for_no_keys(self) -> Self:
        has_keys = bool(self.api_keys) or self.api_keys_file is not None
        for name in ("metrics_need_key", "key_tokens_per_s"):
            if getattr(self, name) and not has_keys:
                raise ValueError(f"{name} is set, but there are no keys: set api_keys or api_keys_file")
        if self.key_burst_tokens is not None and self.key_tokens_per_s is None:
            raise ValueError("key_burst_tokens is set, but key_tokens_per_s is not: keys are not limited")
        return self


def read_settings() -> Settings:
    """The settings that the environment asks for, and the file that it names.

    Raises ConfigurationError for unknown names, wrong values and contradictions, each in one sentence.
    """
    _refuse_unknown_names(os.environ, CLIENT_NAMES | _names())
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_sentences(error))) from None


def environment_name(field: str) -> str:
    """The environment variable that sets `field`."""
    return f"{PREFIX}{field.upper()}"


def _names() -> set[str]:
    return {environment_name(field) for field in Settings.model_fields}


def _values_by_field(path: Path) -> dict[str, str]:
    """What a file of settings says. Raises ConfigurationError, without the path."""
    try:
        values = read_env_file(path)
    except ValueError as error:
        raise ConfigurationError(f"{ENV_FILE}: {error}") from None
    # Other programs' variables belong into the environment: from here they would reach nobody.
    if foreign := [name for name in values if not name.upper().startswith(PREFIX)]:
        # A key in a line of its own, with an equals sign at its end, has a name's form.
        name = foreign[0] if foreign[0].isupper() else "a name in it"
        raise ConfigurationError(f"{ENV_FILE}: {name} is no setting of bentorank")
    _refuse_unknown_names(values, _names() - {ENV_FILE}, where=f"{ENV_FILE}: ")
    return {name.upper().removeprefix(PREFIX).lower(): value for name, value in values.items()}


def _refuse_unknown_names(names: Iterable[str], known: Iterable[str], where: str = "") -> None:
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigurationError(f"{where}unknown setting {name}{hint}")


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        name = environment_name(str(problem["loc"][0])) + ": " if problem["loc"] else ""
        sentences.append(f"{name}{message}")
    return sentences
