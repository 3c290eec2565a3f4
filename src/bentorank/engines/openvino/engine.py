"""The CPU engine: OpenVINO on a converted model, without torch in the process."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from bentorank.defaults import streams as default_streams
from bentorank.engines.collation import longest, pad
from bentorank.engines.cores import usable_cores, usable_memory_bytes
from bentorank.engines.encoding import PairEncoder
from bentorank.engines.fingerprint import files_digest, fingerprint
from bentorank.engines.hardware import cpu_has_int8_dot_products, cpu_has_native_bf16, cpu_multiplies_int8_tiles
from bentorank.engines.openvino.activation_rounding import remove_activation_rounding, remove_attention_rounding
from bentorank.engines.openvino.embedding_tables import keep_tables_in_bf16
from bentorank.engines.openvino.gated_layers import keep_gated_layers_apart
from bentorank.engines.openvino.ir_store import prebuilt_int8, stored_model
from bentorank.engines.openvino.long_prompts import with_window_that_fits
from bentorank.engines.openvino.prompt_files import read_prompt
from bentorank.engines.openvino.runtime import import_runtime
from bentorank.engines.openvino.shared_beginning import pad_rests
from bentorank.engines.options import Precision
from bentorank.engines.prompt_encoding import PromptEncoder
from bentorank.engines.protocol import EngineInfo
from bentorank.engines.warm_up import warm_up_batches
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.collation import PaddedBatch
    from bentorank.engines.encoded_pairs import EncodedChunks
    from bentorank.engines.openvino.ir_store import StoredModel
    from bentorank.engines.openvino.shared_beginning import SharedBatch
    from bentorank.engines.options import EngineOptions
    from bentorank.engines.prompt_encoding import Encoder
    from bentorank.types import EncodedPair, LengthPolicy, Pair


# OpenVINO prepares its kernels anew for every shape it has not met, which costs 10 to 20 ms of CPU and keeps half a
# MiB. On MiniLM-L6 in int8, steps of 8, 16 and 32 tokens are equally fast on mixed lengths, and after 240 batches take
# 524, 458 and 421 MiB; 32 would pad by more than 5 %.
_WIDTH_STEP = 16

# With int8 weights and VNNI, activations are rounded to int8 as they come, each run of so many values by its own scale,
# so nothing is calibrated and no pair depends on its neighbours. On the starter 128 computes 1.9 times as fast as f32
# arithmetic and 64 1.7 times; 192 and 384 are no faster, move logits more, and do not divide every model's width.
_ACTIVATION_GROUP = 128

# OpenVINO keeps 5,000 prepared kernels; so many are as fast on mixed lengths, and take 21 MiB less with two streams.
_CACHED_KERNELS = 200


class OpenVINOEngine:
    """Scores with OpenVINO's CPU plugin.

    In f32 a logit is within 1e-4 of CrossEncoder.predict's; in bf16 and int8 the model is a rounded one.
    int8 rounds the weights, which moves the starter's logits by less than 0.1, and on a CPU with int8 dot products the
    activations too, by less than 0.3.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        import_runtime()
        import openvino  # noqa: PLC0415 - only after telemetry is forbidden

        _require_cpu(options.device)
        precision = choose_precision(options.precision, checkpoint)
        stored = stored_model(checkpoint, precision, options.cache_dir)
        arithmetic = _arithmetic(precision)
        core = openvino.Core()
        model = core.read_model(stored.xml)
        if not _rounds_activations(precision):
            remove_activation_rounding(model)
        elif cpu_multiplies_int8_tiles():
            remove_attention_rounding(model)
        if arithmetic["INFERENCE_PRECISION_HINT"] == "bf16":
            keep_tables_in_bf16(model)
            keep_gated_layers_apart(model)
        threads = options.threads or usable_cores()
        memory_bytes = int(usable_memory_bytes() * options.host_share)
        streams = options.streams or default_streams(
            threads, memory_bytes=memory_bytes, weights_bytes=stored.weights_bytes
        )
        _require_memory(streams, memory_bytes=memory_bytes, weights_bytes=stored.weights_bytes)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for layout in _layouts(threads, streams):
            self._idle.put(core.compile_model(model, "CPU", arithmetic | layout).create_infer_request())
        self._pad_token_id = checkpoint.pad_token_id
        self._shares_beginnings = _takes(model, "shared_ids")
        if self._shares_beginnings and options.max_tokens is None:
            checkpoint = with_window_that_fits(checkpoint, memory_bytes=memory_bytes // streams)
        self._encoder = encoder_of(model, stored, checkpoint, fast=options.fast_tokenizer)
        self.info = EngineInfo(
            engine="openvino",
            model=checkpoint.name,
            device="cpu",
            precision=precision.value,
            max_tokens=checkpoint.max_tokens,
            activation=checkpoint.activation,
            fingerprint=fingerprint(
                "openvino",
                openvino.__version__,
                files_digest(stored.files),
                self._encoder.fingerprint,
                *arithmetic.values(),
            ),
            streams=streams,
            width_step=_WIDTH_STEP,
            threads_a_pass=math.ceil(threads / streams),
            tokenises_fast=self._encoder.tokenises_fast,
            takes_instruction=self._encoder.takes_instruction,
        )

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """Tokenise `pairs`; see PairEncoder."""
        return self._encoder.encode(pairs)

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> EncodedChunks:
        """What `policy` wants read of each passage; any thread. See Engine.encode_chunks for what it raises."""
        return self._encoder.encode_chunks(pairs, policy)

    def forward(self, batch: Sequence[EncodedPair]) -> NDArray[np.float32]:
        """Logits of shape (len(batch),)."""
        inputs = self._collated(batch).as_inputs()
        request = self._idle.get()
        try:
            request.infer(inputs, share_inputs=True)
            logits: NDArray[np.float32] = request.get_output_tensor(0).data  # (pairs, 1)
            # A copy, because the next call overwrites the tensor.
            return logits[:, 0].copy()
        finally:
            self._idle.put(request)

    def _collated(self, batch: Sequence[EncodedPair]) -> PaddedBatch | SharedBatch:
        if self._shares_beginnings:
            return pad_rests(batch, self._pad_token_id, width_of=self.info.padded_width)
        return pad(batch, self._pad_token_id, width=self.info.padded_width(longest(batch)))

    def warm_up(self) -> None:
        """Run short and long batches on all streams, so that their kernels are compiled and the memory is there."""
        with ThreadPoolExecutor(self.info.streams) as pool:
            for batch in warm_up_batches(self._encoder, self.info):
                list(pool.map(self.forward, [batch] * self.info.streams))


def encoder_of(
    model: Any,  # noqa: ANN401 - untyped
    stored: StoredModel,
    checkpoint: Checkpoint,
    *,
    fast: bool,
) -> Encoder:
    """Encodes pairs as `model`, an `openvino.Model` read from `stored`, takes them."""
    tokenizer_json = stored.tokenizer.read_text(encoding="utf-8")
    if stored.prompt is not None:
        prompt = read_prompt(stored.prompt, checkpoint)
        checkpoint.check_instruction(takes_instruction=prompt.takes_instruction)
        return PromptEncoder(
            tokenizer_json,
            prompt,
            max_tokens=checkpoint.max_tokens,
            instruction=checkpoint.prompt,
            table_rows=checkpoint.vocab_size,
        )
    return PairEncoder(
        tokenizer_json,
        max_tokens=checkpoint.max_tokens,
        token_types=_takes(model, "token_type_ids"),
        prompt=checkpoint.prompt,
        table_rows=checkpoint.vocab_size,
        fast=fast,
    )


def choose_precision(precision: Precision, checkpoint: Checkpoint) -> Precision:
    """`auto` is a shipped int8 model, else bf16 where the CPU computes it natively, else f32."""
    if precision is Precision.F16 or (precision is Precision.BF16 and not cpu_has_native_bf16()):
        raise ConfigurationError(f"the openvino engine cannot compute in {precision} on this CPU")
    if precision is not Precision.AUTO:
        return precision
    if prebuilt_int8(checkpoint) is not None:
        return Precision.INT8
    return Precision.BF16 if cpu_has_native_bf16() else Precision.F32


def _arithmetic(precision: Precision) -> dict[str, str]:
    """OpenVINO's properties for it. Left alone, it takes bf16 and int8 wherever it can, whatever was asked for."""
    bf16 = precision is not Precision.F32 and cpu_has_native_bf16()
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_ACTIVATION_GROUP if _rounds_activations(precision) else 0),
    }


def _rounds_activations(precision: Precision) -> bool:
    return precision is Precision.INT8 and cpu_has_int8_dot_products()


def _require_memory(streams: int, *, memory_bytes: int, weights_bytes: int) -> None:
    """For the least that so many streams take. Raises ConfigurationError."""
    if streams > 1 and streams * weights_bytes > memory_bytes:
        raise ConfigurationError(
            f"streams is {streams}, each of which holds the weights, {weights_bytes / 2**30:.2f} GiB, and there are"
            f" {memory_bytes / 2**30:.1f} GiB of memory: set fewer"
        )


def _layouts(threads: int, streams: int) -> list[dict[str, Any]]:
    """OpenVINO's properties for each of `streams`, which divide all `threads` between them, and have one at least.

    Each is a model of its own: OpenVINO's own streams share weights, and with int8 ones computed in bf16 all logits
    were garbage (2026.4.1). Pinned, all of them would sit on the same cores, as would
    workers that divide the cores.
    """
    each, left_over = divmod(threads, streams)
    return [
        {
            "NUM_STREAMS": "1",
            # Zero would be every core for each stream.
            "INFERENCE_NUM_THREADS": max(1, each + (stream < left_over)),
            "ENABLE_CPU_PINNING": streams == 1 and threads >= usable_cores(),
            "CPU_RUNTIME_CACHE_CAPACITY": _CACHED_KERNELS,
        }
        for stream in range(streams)
    ]


def _takes(model: Any, name: str) -> bool:  # noqa: ANN401 - openvino is untyped
    return any(name in model_input.names for model_input in model.inputs)


def _require_cpu(device: str) -> None:
    if device not in {"auto", "cpu"}:
        raise ConfigurationError(f"the openvino engine runs on the CPU, not on the device {device}")
