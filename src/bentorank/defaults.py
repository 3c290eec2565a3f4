"""What settings are unless they are set: rules over cores, memory and device, each with its reason.

Pure. The page docs/performance.md shows what they come to on 1 to 64 cores; `bentorank tune` tries others.
"""

from __future__ import annotations

# So many streams are worth half of the memory, which those of a small model do not need.
_STREAMS_ANYWHERE = 4
_MEMORY_SHARE_OF_FEW_STREAMS = 2
# On 16 cores 4, 8 and 16 streams did 488, 525 and 612 pairs/s for eight callers; one caller's ten documents took 46 ms
# with 4 and 69 with 16. Eight are between; beyond 16 nothing was measured.
_THREADS_A_STREAM = 2
_STREAMS_OF_FEW_THREADS = 16
_MOST_THREADS_A_STREAM = 4
# Of a stream of OpenVINO's: its own copy of the prepared weights, and as much again for kernels and what they compute.
_STREAM_BYTES_A_WEIGHT_BYTE = 2
_MEMORY_SHARE_OF_STREAMS = 4

_CPU_BATCH_TOKENS = 1024
_LEAST_TOKENS_A_THREAD = 512
_MOST_CPU_BATCH_TOKENS = 8192
_ACCELERATOR_BATCH_TOKENS = 32_768

_LEAST_QUEUE_TOKENS = 1_000_000
_QUEUE_TOKENS_A_CORE = 250_000
_MOST_QUEUE_TOKENS = 8_000_000
# A waiting token has an id and a segment of 8 bytes each; they may take a thirty-second of the memory.
_MEMORY_BYTES_A_QUEUE_TOKEN = 16 * 32

# On an H200 with 16 cores one worker did 12,300 pairs/s of 23 million weights, two 29,080 and four 32,430, which is as
# much as the GPU computes; of 335 million it computes fewer than one worker can hand it.
_MOST_WEIGHTS_OF_A_SMALL_MODEL = 50_000_000
_CORES_OF_TWO_WORKERS = 8
# A worker with such a model takes 1.3 GiB: two of them a third of that.
_MEMORY_BYTES_OF_TWO_WORKERS = 8 * 2**30


def heaps(processors: int) -> int:
    """Heaps of the C library, `MALLOC_ARENA_MAX`: one for each thread that can run, and two at least.

    Threads that share a heap wait for each other whenever the tokenizer takes or gives back memory, and each heap keeps
    what it once needed. More heaps than threads that can run are memory for nothing.
    """
    return max(2, processors)


def streams(threads: int, *, memory_bytes: int, weights_bytes: int) -> int:
    """Forward passes at a time: one a thread up to four, then one for two and later four threads, as memory allows.

    Threads that share a pass wait for each other after each operation, the longer the more they are.
    """

    def affordable(memory_share: int) -> int:
        return memory_bytes // memory_share // max(1, weights_bytes * _STREAM_BYTES_A_WEIGHT_BYTE)

    few = max(1, min(_STREAMS_ANYWHERE, affordable(_MEMORY_SHARE_OF_FEW_STREAMS)))
    many = max(min(_STREAMS_OF_FEW_THREADS, threads // _THREADS_A_STREAM), threads // _MOST_THREADS_A_STREAM)
    return min(threads, max(few, min(many, affordable(_MEMORY_SHARE_OF_STREAMS))))


def batch_tokens(device: str, *, threads_a_pass: int = 1) -> int:
    """Tokens of a forward pass: of a CPU few, but enough for each thread to compute longer than it waits for others."""
    if device != "cpu":
        return _ACCELERATOR_BATCH_TOKENS
    return min(_MOST_CPU_BATCH_TOKENS, max(_CPU_BATCH_TOKENS, _LEAST_TOKENS_A_THREAD * threads_a_pass))


def queue_tokens(device: str, *, cores: int, memory_bytes: int) -> int:
    """Tokens that may wait: ten seconds' work of the shipped model, or the most that its memory allows on a GPU.

    A faster device works off more within the same deadline; a million, ten seconds of two cores twice over, is a fifth
    of a second of a GPU.
    """
    worth_waiting_for = _QUEUE_TOKENS_A_CORE * cores if device == "cpu" else _MOST_QUEUE_TOKENS
    affordable = memory_bytes // _MEMORY_BYTES_A_QUEUE_TOKEN
    return max(_LEAST_QUEUE_TOKENS, min(worth_waiting_for, affordable, _MOST_QUEUE_TOKENS))


def workers_per_gpu(*, weights: int, cores: int, memory_bytes: int) -> int:
    """Workers that share a GPU: two with a small model where cores and memory bear a second, else one.

    One Python process prepares fewer pairs than a large GPU computes of a small model. Of a large model it prepares
    enough, and a second would take as much of the GPU's memory again.
    """
    small = weights <= _MOST_WEIGHTS_OF_A_SMALL_MODEL
    bearable = cores >= _CORES_OF_TWO_WORKERS and memory_bytes >= _MEMORY_BYTES_OF_TWO_WORKERS
    return 2 if small and bearable else 1
