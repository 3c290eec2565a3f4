"""How many file descriptors this process may open. A connection takes one, and nothing else can be read without any."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

# For models, keys, metrics, pipes, the log, connections to a cache: two dozen are open when nothing happens.
KEPT_FOR_OTHERS = 64
FEWEST_CONNECTIONS = 8

logger = logging.getLogger(__name__)


def room_for_connections(wanted: int) -> int:
    """How many of `wanted` connections the system lets this process have, after asking it for as many as it gives."""
    if sys.platform == "win32":
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + KEPT_FOR_OTHERS
    if resource.RLIM_INFINITY not in (soft, hard):
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    room = min(wanted, max(FEWEST_CONNECTIONS, needed - KEPT_FOR_OTHERS))
    if room < wanted:
        logger.warning("this process may open %d files: of %d connections it serves %d at a time", needed, wanted, room)
    return room
