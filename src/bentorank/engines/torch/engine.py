"""The reference engine: a sentence-transformers CrossEncoder on cpu, cuda or mps."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer

from bentorank.engines.encoding import PairEncoder
from bentorank.engines.fingerprint import files_digest, fingerprint
from bentorank.engines.options import Precision
from bentorank.engines.prompt_encoding import PromptEncoder
from bentorank.engines.prompts import FAMILIES
from bentorank.engines.protocol import EngineInfo
from bentorank.engines.tokenizer_file import read_tokenizer
from bentorank.engines.torch.causal import CausalForward, keep_answers
from bentorank.engines.torch.causal_packing import PackedCausalForward
from bentorank.engines.torch.chat_template import prompt_of
from bentorank.engines.torch.compiled_layers import compiled_layers
from bentorank.engines.torch.completeness import check_complete, check_finite
from bentorank.engines.torch.device import choose_device, choose_precision
from bentorank.engines.torch.forward import choose_forward
from bentorank.engines.torch.fused_norms import FusedNorms
from bentorank.engines.torch.graphs import graph_where_launch_bound
from bentorank.engines.torch.losing import telling_a_lost_gpu
from bentorank.engines.torch.packing import PackedForward
from bentorank.engines.torch.padding import PaddedForward
from bentorank.engines.torch.reading_check import check_reading, takes
from bentorank.engines.torch.transfers import begin_download
from bentorank.engines.warm_up import probe_pairs, warm_up_batches
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.encoded_pairs import EncodedChunks
    from bentorank.engines.options import EngineOptions
    from bentorank.engines.prompt_encoding import Encoder
    from bentorank.engines.prompts import Prompt
    from bentorank.engines.torch.forward import Forward
    from bentorank.engines.torch.graphs import Recordable
    from bentorank.types import EncodedPair, LengthPolicy, Pair

_DTYPES = {Precision.F32: torch.float32, Precision.BF16: torch.bfloat16, Precision.F16: torch.float16}


@cache
def _launching_on(_device: str) -> Lock:
    """Batches are launched one by one, those of all models of a device, else two would interleave and both be late."""
    return Lock()


class TorchEngine:
    """Scores with torch; weights in the asked precision, logits always in float32.

    In f32 a logit is within 1e-5 of `CrossEncoder.predict(..., activation_fn=Identity())` on the same device.
    On CUDA in half precision the usual architectures compute no padding; see forward.py. Small batches are launched at
    once; see graphs.py. One batch is prefetched there: collated, uploaded and launched while that before it computes.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        device = choose_device(options.device)
        precision = choose_precision(options.precision, device)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        if torch.device(device).type == "cuda" and options.memory_share < 1:
            # By number: torch takes no name without one here.
            index = torch.device(device).index
            torch.cuda.set_per_process_memory_fraction(options.memory_share, 0 if index is None else index)
        model = load_cross_encoder(checkpoint, device=device, dtype=_DTYPES[precision])
        self._encoder = encoder_of(model, checkpoint, fast=options.fast_tokenizer)
        reference = reference_forward(model, checkpoint)
        check_reading(model, reference, self._encoder, checkpoint)
        self._launching = _launching_on(device)
        self._forward = choose_forward(
            transformers_module(model),
            reference,
            checkpoint.pad_token_id,
            probe_pairs(self._encoder),
            lambda: [*compiled_layers(options), FusedNorms()],
        )
        self._records_graphs = options.cuda_graphs
        self.info = EngineInfo(
            engine="torch",
            model=checkpoint.name,
            device=device,
            precision=precision.value,
            max_tokens=checkpoint.max_tokens,
            activation=checkpoint.activation,
            fingerprint=fingerprint(
                "torch",
                torch.__version__,
                files_digest(checkpoint.weight_files()),
                self._encoder.fingerprint,
                torch.device(device).type,
                precision.value,
                self._forward.padding_free,
                checkpoint.answer,
                checkpoint.two_labels,
            ),
            padding_free=self._forward.padding_free,
            prefetches=torch.device(device).type == "cuda",
            takes_instruction=self._encoder.takes_instruction,
            tokenises_fast=self._encoder.tokenises_fast,
        )

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """Tokenise `pairs`; see PairEncoder."""
        return self._encoder.encode(pairs)

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> EncodedChunks:
        """What `policy` wants read of each passage; any thread. See Engine.encode_chunks for what it raises."""
        return self._encoder.encode_chunks(pairs, policy)

    def forward(self, batch: Sequence[EncodedPair]) -> NDArray[np.float32]:
        """Logits of shape (len(batch),)."""
        with telling_a_lost_gpu(self.info.device), self._launching, torch.inference_mode():
            wait_for_scores = begin_download(self._forward(batch).float())
        with telling_a_lost_gpu(self.info.device):
            return wait_for_scores()

    def warm_up(self) -> None:
        """Record what is to be launched at once, then run short and long batches: a GPU loads kernels at the first."""
        if self._records_graphs and isinstance(self._forward, PackedForward | PackedCausalForward):
            self._record_graphs(self._forward)
        for batch in warm_up_batches(self._encoder, self.info):
            self.forward(batch)

    def _record_graphs(self, way: Recordable[Any]) -> None:
        with self._launching:
            self._forward = graph_where_launch_bound(
                way, probe_pairs(self._encoder), self.info.batch_tokens, self.info.max_tokens
            )


def load_cross_encoder(
    checkpoint: Checkpoint, *, device: str, dtype: torch.dtype, attention: str | None = None
) -> CrossEncoder:
    """The checkpoint as sentence-transformers loads it, from local safetensors, running no remote code.

    `attention` names one of transformers' implementations; None leaves the choice to transformers. Raises
    ConfigurationError where anything is missing that transformers would make up.
    """
    checkpoint.require_tokenizer()
    check_complete(checkpoint)
    attention_choice = {} if attention is None else {"attn_implementation": attention}
    try:
        model: CrossEncoder = CrossEncoder(
            str(checkpoint.folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": dtype, "use_safetensors": True, **attention_choice},
        )
    except (AttributeError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if (file := checkpoint.folder / "tokenizer.json").exists():
            read_tokenizer(file.read_text(encoding="utf-8"))
        raise ConfigurationError(
            f"sentence-transformers cannot load the model {checkpoint.name} to score pairs of texts: "
            f"{type(error).__name__}"
        ) from error
    model.eval()
    check_finite(transformers_module(model), checkpoint.name)
    return model


def transformers_module(model: CrossEncoder) -> Any:  # noqa: ANN401 - transformers' own classes are many
    """The sequence-classification module inside; checkpoints that hold anything else were refused before."""
    assert model.transformers_model is not None, "bug: a cross-encoder without a transformer"
    return model.transformers_model


def reference_forward(model: CrossEncoder, checkpoint: Checkpoint) -> Forward:
    """The padded way. From then on a causal model computes the logits of its answers alone."""
    module = transformers_module(model)
    if checkpoint.answer is None:
        return PaddedForward(module, checkpoint.pad_token_id)
    answer, tokenizer = checkpoint.answer, Tokenizer.from_str(_tokenizer_json(model, checkpoint))
    keep_answers(module, answer.ids(tokenizer, checkpoint.name), answer.temperature)
    return CausalForward(module, checkpoint.pad_token_id)


def prompt_for(model: CrossEncoder, checkpoint: Checkpoint) -> Prompt | None:
    """What stands around the texts of a model that reads prompts. Raises ConfigurationError where it is not known."""
    if not checkpoint.has_prompts:
        return None
    named = checkpoint.prompt_format
    prompt = prompt_of(model, checkpoint.name) if named is None else FAMILIES[named].prompt
    checkpoint.check_instruction(takes_instruction=prompt.takes_instruction)
    return prompt


def encoder_of(model: CrossEncoder, checkpoint: Checkpoint, *, fast: bool) -> Encoder:
    """A thread-safe copy of the tokenizer, which transformers may build otherwise than its file.

    Segments are made only where the tokenizer has them and the model takes them: DistilBERT's does not.
    """
    module = transformers_module(model)
    prompt = prompt_for(model, checkpoint)
    if prompt is not None:
        return PromptEncoder(
            _tokenizer_json(model, checkpoint),
            prompt,
            max_tokens=checkpoint.max_tokens,
            instruction=checkpoint.prompt,
            table_rows=_table_rows(module),
        )
    return PairEncoder(
        _tokenizer_json(model, checkpoint),
        max_tokens=checkpoint.max_tokens,
        token_types="token_type_ids" in model.tokenizer.model_input_names and takes(module, "token_type_ids"),
        prompt=checkpoint.prompt,
        table_rows=_table_rows(module),
        fast=fast,
    )


def _tokenizer_json(model: CrossEncoder, checkpoint: Checkpoint) -> str:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigurationError(
            f"the model {checkpoint.name} has a tokenizer that runs in Python alone ({type(model.tokenizer).__name__}),"
            " and only those of the tokenizers library, with a tokenizer.json, are served"
        )
    return str(backend.to_str())


def _table_rows(module: Any) -> int | None:  # noqa: ANN401
    """Of the embedding table; None where a family has something else in its place."""
    try:
        return int(module.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError):
        return None
