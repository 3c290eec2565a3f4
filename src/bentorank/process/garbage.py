"""The garbage collector and the heap of a process that has loaded all that it will ever keep."""

from __future__ import annotations

import ctypes
import gc

# A request of a hundred documents makes some thousand small objects, nearly all of which reference counting frees.
YOUNG_OBJECTS = 20_000


def settle_garbage_collector() -> None:
    """Call once everything is loaded: what is there now is never looked at again, and what is new less often.

    Otherwise a request waits, every now and then, until all imported modules are traversed: without this the HTTP layer
    took 10 to 20 % more CPU time, and three times as long at the 99th percentile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    _return_free_heap()


def settle_again() -> None:
    """Call once something that was loaded is used no more, or something else has been loaded."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _return_free_heap()


def _return_free_heap() -> None:
    """Give the system back what loading used for a while: 10 MiB. Only glibc can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
