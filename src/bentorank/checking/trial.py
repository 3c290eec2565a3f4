"""Loads what the settings say, in a process of its own, and says what it needs, how fast it is and what it scores.

`python -m bentorank.checking.trial` loads alone; with `measure` it does the rest.
"""

from __future__ import annotations

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Lock
from typing import TYPE_CHECKING

from bentorank.checking.memory import MemoryWatch
from bentorank.checking.steps import Loaded, Refused, Scored, Speed, say
from bentorank.checking.texts import check_task
from bentorank.child_process import end_with_parent
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineKind
from bentorank.errors import BentorankError
from bentorank.evaluation.built_in import built_in_task
from bentorank.evaluation.scorers import forward_all, in_batches
from bentorank.settings import read_settings
from bentorank.types import LengthPolicy, Pair
from bentorank.wiring import engine_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.options import EngineOptions
    from bentorank.engines.protocol import Engine
    from bentorank.evaluation.collection import Task
    from bentorank.types import EncodedPair

# Longer pairs take a CPU minutes where the model is large.
LONGEST_TRIED_TOKENS = 2048
BURST_S = 2.0
# A small window may be shorter than a query.
LENGTH = LengthPolicy(cut_query=True)
EXAMPLE = Pair("a query", "a document")


class Warnings(logging.Handler):
    """Keeps what the package warns of while it loads."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.sentences.append(record.getMessage())


def try_model(options: EngineOptions, *, measure: bool) -> None:
    """Say each step. Raises BentorankError where the service would not start."""
    warnings = Warnings()
    logging.getLogger("bentorank").addHandler(warnings)
    memory = MemoryWatch()
    started = time.perf_counter()
    engine = load_engine(options)
    checkpoint = open_checkpoint(
        options.model, revision=options.revision, max_tokens=options.max_tokens, hints=options.hints
    )
    memory.loaded(engine.info.device)
    say(_loaded(engine, checkpoint, time.perf_counter() - started, tuple(warnings.sentences)))
    if measure:
        engine.warm_up()
        [longest] = encode(engine, [Pair("a", "a " * min(engine.info.max_tokens, LONGEST_TRIED_TOKENS))])
        engine.forward([longest])
        say(memory.taken(longest.length))
        say(burst(engine, BURST_S))
        say(score(engine, check_task(prompts=checkpoint.has_prompts)))


def encode(engine: Engine, pairs: Sequence[Pair]) -> list[EncodedPair]:
    """What is read of each pair, cut where it does not fit."""
    return [chunks[0] for chunks in engine.encode_chunks(pairs, LENGTH)]


def burst(engine: Engine, seconds: float) -> Speed:
    """Full batches on all of the engine's threads, for about so long, and each of them to its end."""
    encoded = encode(engine, pairs_of(built_in_task()))
    batches = cycle([[encoded[place] for place in places] for places in in_batches(encoded, engine.info.batch_tokens)])
    lock, done, began = Lock(), [], time.perf_counter()

    def work() -> None:
        while time.perf_counter() - began < seconds:
            with lock:
                batch = next(batches)
            engine.forward(batch)
            done.extend(batch)

    with ThreadPoolExecutor(engine.info.forward_threads) as pool:
        for future in [pool.submit(work) for _ in range(engine.info.forward_threads)]:
            future.result()
    took = time.perf_counter() - began
    return Speed(sum(pair.length for pair in done) / took, len(done) / took, took)


def score(engine: Engine, task: Task) -> Scored:
    """Logits of all pairs, in the batches that the engine would make of them."""
    encoded = encode(engine, pairs_of(task))
    logits = forward_all(engine, encoded, engine.info.batch_tokens)
    tokens = tuple(tuple(int(token) for token in pair.input_ids) for pair in encoded)
    return Scored(tuple(map(float, logits)), tokens)


def pairs_of(task: Task) -> list[Pair]:
    """Of all lists, one after the other."""
    return [Pair(candidates.query, passage) for candidates in task.lists for passage in candidates.passages]


def _loaded(engine: Engine, checkpoint: Checkpoint, in_s: float, warnings: tuple[str, ...]) -> Loaded:
    info = engine.info
    return Loaded(
        engine=info.engine,
        device=info.device,
        precision=info.precision,
        window_tokens=info.max_tokens,
        activation=info.activation.value,
        padding_free=info.padding_free,
        takes_instruction=info.takes_instruction,
        streams=info.streams,
        batch_tokens=info.batch_tokens,
        in_s=in_s,
        reads=_reads(engine, checkpoint),
        warnings=warnings,
    )


def _reads(engine: Engine, checkpoint: Checkpoint) -> str:
    """The example as the model gets it, special tokens and prompt included; nothing where no file can tell."""
    converted = checkpoint.folder / "openvino" / "tokenizer.json"
    # What was converted with the model is read with it.
    own = engine.info.engine == EngineKind.OPENVINO and converted.exists()
    file = converted if own else checkpoint.folder / "tokenizer.json"
    if not file.exists():
        return ""
    from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

    ids = [int(token) for token in encode(engine, [EXAMPLE])[0].input_ids]
    return str(Tokenizer.from_file(str(file)).decode(ids, skip_special_tokens=False))


def main() -> None:
    """Try what the environment's settings say."""
    end_with_parent()
    try:
        try_model(engine_options(read_settings(), worker_index=1), measure="measure" in sys.argv[1:])
    except BentorankError as error:
        say(Refused(str(error)))


if __name__ == "__main__":
    main()
