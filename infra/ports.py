"""Free ports of this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

# Under the range that systems give to outgoing connections, so that a port kept for later stays ours.
FIRST, LAST = 20000, 31999


def is_free(port: int) -> bool:
    """Whether a service could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """A port nobody listens on and that is not in ``taken``. Raises OSError where none is found in 500 tries."""
    chooser = random.SystemRandom()
    for _ in range(500):
        port = chooser.randint(FIRST, LAST)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST}")
