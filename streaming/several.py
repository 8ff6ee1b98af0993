"""Several processes of one service on one port: a parent that holds the port, and starts again whoever dies.

The children take connections from the one socket that they inherit. SIGTERM, to the parent or to all of them, ends all
in order; a parent that is killed takes its children along, since each ends when its standard input does. Where children
write beats, one that lives and does nothing is found as well: it has been silent for a while.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
# A child that dies so early, so often in a row, will not do better: the whole ends, for whoever watches over it.
EARLY_SECONDS, MOST_EARLY_DEATHS = 10.0, 3
BACKLOG = 2_048
# A child writes its beat so often; one that was silent for longer hangs. A busy machine may hold it up for a while.
BEAT_SECONDS, SILENT_SECONDS = 2.0, 60.0


def end_with_parent() -> None:
    """In a child: have this process asked to end, as by SIGTERM, when its parent is gone."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def beat_path(folder: Path, module: str, number: int) -> Path:
    """Where a child of a module writes its beat."""
    return folder / f"{module}-{number}.beat"


class Children:
    """``processes`` children of ``module``, numbered from 0, on one port; see :meth:`run`.

    ``environment``: what they get beside this process's; ``beats``: the folder of their beats, where they write any.
    """

    def __init__(
        self,
        module: str,
        processes: int,
        host: str,
        port: int,
        environment: Mapping[str, str],
        beats: Path | None = None,
    ) -> None:
        self._module, self._beats = module, beats
        self._socket = socket.create_server((host, port), backlog=BACKLOG)
        command = [sys.executable, "-m", module, "--host", host, "--port", str(port)]
        self._environment = {**os.environ, **environment}
        self._command = [*command, "--socket", str(self._socket.fileno())]
        self._children = [self._start(number) for number in range(processes)]
        self._early_deaths = 0
        self._is_ending = False

    def _start(self, number: int) -> tuple[subprocess.Popen[bytes], float]:
        command = [*self._command, "--number", str(number)]
        # A child begins with SIGHUP held back, which would end it: ``streaming.serve.Tls`` lets it in when it is ready.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=[self._socket.fileno()], env=self._environment
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return child, time.monotonic()

    def run(self, grace_seconds: float) -> int:
        """Watch over the children until SIGTERM or SIGINT; exit status: 0 then, 1 where they die again and again.

        Children that do not end within ``grace_seconds`` of being asked are killed.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._renew)
        while not self._is_ending and self._early_deaths < MOST_EARLY_DEATHS:
            time.sleep(LOOK_SECONDS)
            self._look()
        is_broken = not self._is_ending
        if is_broken:
            log.error("processes of %s die as soon as they start: it ends; lines before say why", self._module)
        self._stop(grace_seconds)
        return int(is_broken)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._is_ending = True

    def _renew(self, number: int, _frame: FrameType | None) -> None:
        """A certificate was renewed: each child reads its own anew."""
        for child, _ in self._children:
            child.send_signal(number)

    def _look(self) -> None:
        for number, (child, started_at) in enumerate(self._children):
            if self._is_ending or (status := child.poll()) is None:
                if not self._is_ending and self._hangs(number, started_at):
                    log.error("process %d of %s has given no sign of life: it is killed", number, self._module)
                    child.kill()
                continue
            is_early = time.monotonic() - started_at < EARLY_SECONDS
            self._early_deaths = self._early_deaths + 1 if is_early else 0
            log.error("process %d of %s ended with status %d: another one is started", number, self._module, status)
            if self._early_deaths < MOST_EARLY_DEATHS:
                self._children[number] = self._start(number)

    def _hangs(self, number: int, started_at: float) -> bool:
        """Whether a child that lives has been silent for too long; one that has just started is given that time too."""
        if self._beats is None or time.monotonic() - started_at < SILENT_SECONDS:
            return False
        try:
            beaten_at = beat_path(self._beats, self._module, number).stat().st_mtime
        except FileNotFoundError:
            return True
        return time.time() - beaten_at > SILENT_SECONDS

    def _stop(self, grace_seconds: float) -> None:
        # No new connection is taken; those that are open end with their child.
        self._socket.close()
        for child, _ in self._children:
            child.terminate()
        deadline = time.monotonic() + grace_seconds
        for child, _ in self._children:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
