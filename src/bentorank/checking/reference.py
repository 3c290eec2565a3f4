"""What the model's own library scores, in f32 on a CPU, a pair at a time, in a process of its own.

`python -m bentorank.checking.reference FILE`: the file has what bentorank read, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bentorank.checking.steps import Refused, Scored, say
from bentorank.checking.texts import check_task
from bentorank.child_process import end_with_parent
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.stored_files import read_json
from bentorank.errors import BentorankError
from bentorank.settings import read_settings
from bentorank.wiring import engine_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Library:
    """Whose scores are compared with; the texts are its own to read, unless it is given `tokens`."""

    name: str
    tokens: bool = False


def library_of(checkpoint: Checkpoint) -> Library:
    """sentence-transformers, but for a causal model whose files do not tell it how the model is asked: that is then
    what transformers makes of the same prompt.
    """
    told = checkpoint.answer is None or read_json(checkpoint.folder / "modules.json") != {}
    return Library("sentence-transformers") if told else Library("transformers", tokens=True)


def score_texts(checkpoint: Checkpoint, instruction: str | None) -> list[float]:
    """As `CrossEncoder.predict` scores the texts of a check."""
    import torch  # noqa: PLC0415 - heavy
    from sentence_transformers import CrossEncoder  # noqa: PLC0415 - heavy

    model = CrossEncoder(
        str(checkpoint.folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )
    # It overlooks that some position tables are longer than the window, and knows of no setting.
    model.max_seq_length = min(model.max_seq_length or checkpoint.max_tokens, checkpoint.max_tokens)
    lists = check_task(prompts=checkpoint.has_prompts).lists
    texts = [(candidates.query, passage) for candidates in lists for passage in candidates.passages]
    logits = model.predict(
        texts, activation_fn=torch.nn.Identity(), batch_size=1, prompt=instruction, show_progress_bar=False
    )
    scores = logits if logits.ndim == 1 else logits[:, 1] - logits[:, 0]
    return [float(score) for score in scores]


def score_tokens(checkpoint: Checkpoint, tokens: Sequence[Sequence[int]]) -> list[float]:
    """By the whole causal model, every token's logit computed, after these prompts."""
    import torch  # noqa: PLC0415 - heavy
    from tokenizers import Tokenizer  # noqa: PLC0415 - heavy
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    assert checkpoint.answer is not None, "bug: only causal models are asked so"
    tokenizer = Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))
    true, *false = checkpoint.answer.ids(tokenizer, checkpoint.name)
    model = AutoModelForCausalLM.from_pretrained(  # nosec B615
        str(checkpoint.folder),
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    ).eval()  # type: ignore[no-untyped-call]
    scores = []
    with torch.inference_mode():
        for ids in tokens:
            logits = model(torch.tensor([list(ids)]), logits_to_keep=1).logits[0, -1]
            scores.append(float(logits[true]) - sum(float(logits[token]) for token in false))
    return scores


def main() -> None:
    """Score what the file says as the environment's settings say."""
    end_with_parent()
    options = engine_options(read_settings(), worker_index=1)
    try:
        checkpoint = open_checkpoint(
            options.model, revision=options.revision, max_tokens=options.max_tokens, hints=options.hints
        )
        if library_of(checkpoint).tokens:
            say(Scored(tuple(score_tokens(checkpoint, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))))
        else:
            say(Scored(tuple(score_texts(checkpoint, options.hints.instruction))))
    except BentorankError as error:
        say(Refused(str(error)))


if __name__ == "__main__":
    main()
