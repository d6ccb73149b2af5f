"""A blocking OSC client of the daemon, for ``sds-bridge send`` and the demo. What is lost is asked again."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sds_bridge.daemon.admission import NEEDED
from sds_bridge.daemon.monitor import HELLO, PACKET
from sds_bridge.daemon.osc import LARGEST_RECEIVED, LARGEST_SENT, MalformedError, Message, Value, decode, encode
from sds_bridge.daemon.store import Status
from sds_bridge.errors import InputError, JobError

ANSWER_SECONDS = 0.5
TRIES = 10
POLL_SECONDS = 1.0
SILENCE_SECONDS = 30.0
WATCH_SECONDS = 15


@dataclass(frozen=True)
class JobState:
    """How a job is. ``seconds_left`` is -1 while unknown; ``message`` tells the error of a failed job."""

    job: int
    status: Status
    step: int
    steps: int
    seconds_left: float
    folder: Path
    message: str


@dataclass(frozen=True)
class Packet:
    """One that was mirrored. ``direction`` is in or out of the daemon; ``left_out`` counts those before it that weren't."""

    direction: str
    peer: str
    address: str
    arguments: str
    left_out: int


OnProgress = Callable[[JobState], None]


class Client:
    """Talks to the daemon at ``host:port`` (UDP); says ``token`` to one that asks for it.

    Raises, from every method:
        JobError: nothing answers.
        InputError: the daemon refused the request; the text is the daemon's.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 9000, token: str | None = None) -> None:
        self._token = token
        self._where = f"{host}:{port}"
        self._name = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.connect((host, port))
        except OSError as error:
            raise InputError(
                f"{self._where}: can't be reached ({error.strerror}). Give the host and port of a daemon."
            ) from None

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ping(self) -> str:
        """The daemon's version."""
        return str(self.ask("/sds/ping")[0])

    def tune(self, prompt: str, synth: str = "fm", **options: object) -> int:
        """Queue a tune and return its job; ``options`` are fields of TuneRequest, None means unset."""
        return int(self.ask("/sds/tune", prompt, synth, *self._options(options))[0])

    def separate(self, clip: str | Path, stems: Sequence[str], **options: object) -> int:
        """Queue a separation of the file ``clip`` and return its job; ``options`` are fields of SeparateRequest."""
        return int(self.ask("/sds/separate", str(Path(clip).absolute()), *stems, *self._options(options))[0])

    def cancel(self, job: int) -> str:
        """Ask a job to stop: ``cancelled``, or ``cancelling`` until its worker's next step."""
        return str(self.ask("/sds/job/cancel", job)[1])

    def status(self, job: int) -> JobState:
        return _state(self.ask("/sds/job/status", job))

    def wait(self, job: int, on_progress: OnProgress | None = None, timeout: float | None = None) -> JobState:
        """The state of ``job`` when it has ended, however it ended. The daemon may be restarted meanwhile.

        Raises:
            JobError: not ended after ``timeout`` seconds, or no sign of the daemon for ``SILENCE_SECONDS``.
        """
        begun = heard = time.monotonic()
        shown = -1
        while True:
            now = time.monotonic()
            try:
                state = _state(self.ask("/sds/job/status", job, tries=1))
                heard = now
            except _SilentError:
                if now - heard > SILENCE_SECONDS:
                    raise
                time.sleep(0.1)
            else:
                if on_progress is not None and state.step != shown:
                    shown = state.step
                    on_progress(state)
                if state.status.ended:
                    return state
            if timeout is not None and time.monotonic() - begun > timeout:
                raise JobError(f"job {job}: not ended after {timeout:g} s. Wait longer, or cancel it.")
            self._listen(job, time.monotonic() + POLL_SECONDS)

    def _listen(self, job: int, until: float) -> None:
        """Return early at a push about ``job``."""
        while (message := self._receive(until)) is not None:
            if message.address in ("/sds/job/progress", "/sds/job/done") and message.values[:1] == [job]:
                return

    def watch(self) -> Iterator[Packet]:
        """Every OSC packet that the daemon gets and sends, until the caller ends it; silence is waited out."""
        renew = 0.0
        while True:
            if time.monotonic() >= renew:
                with contextlib.suppress(_SilentError):  # the daemon may be started again
                    self.ask("/sds/monitor", WATCH_SECONDS, tries=2)
                    renew = time.monotonic() + WATCH_SECONDS / 3
            message = self._receive(time.monotonic() + POLL_SECONDS)
            if message is not None and message.address == PACKET:
                yield Packet(*message.values)

    def unwatch(self) -> None:
        self.ask("/sds/monitor", 0, tries=2)

    def ask(self, address: str, *values: Value, tries: int = TRIES) -> list[Any]:
        """Send one request, again when no answer comes, and return the arguments after the echoed id."""
        try:
            return self._ask(address, *values, tries=tries)
        except InputError as error:
            if str(error) != NEEDED or self._token is None:
                raise
        self._ask(HELLO, self._token, tries=tries)
        return self._ask(address, *values, tries=tries)

    def _ask(self, address: str, *values: Value, tries: int) -> list[Any]:
        asked = f"{self._name}-{next(self._numbers)}"
        datagram = encode(address, asked, *values)
        if any(isinstance(value, str) and len(value.encode()) > LARGEST_SENT - 200 for value in values):
            raise InputError(f"{address}: an argument is longer than {LARGEST_SENT - 200} bytes. Shorten it.")
        for _ in range(tries):
            until = time.monotonic() + ANSWER_SECONDS
            try:
                self._socket.send(datagram)
            except ConnectionError:
                time.sleep(0.1)
                continue
            while (message := self._receive(until)) is not None:
                if message.values[:1] != [asked]:
                    continue
                if message.address == address:
                    return message.values[1:]
                if message.address == "/sds/error":
                    raise InputError(str(message.values[1]))
        raise _SilentError(f"{self._where}: no answer. Start the daemon with `sds-bridge serve`, or give its --port.")

    def _receive(self, until: float) -> Message | None:
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                return decode(self._socket.recv(LARGEST_RECEIVED))[0]
            except MalformedError:
                continue
            except ConnectionError:
                time.sleep(min(left, 0.1))
                return None
            except TimeoutError:
                return None
        return None

    def _options(self, options: dict[str, object]) -> list[str]:
        texts = [f"token={self._name}-{uuid.uuid4().hex[:12]}"]
        for key, value in options.items():
            if value is None or value == []:
                continue
            texts.append(f"{key}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}")
        return texts


class _SilentError(JobError):
    """Nothing answered."""


def _state(values: list[Any]) -> JobState:
    job, status, step, steps, seconds_left, folder, message = values
    return JobState(job, Status(status), step, steps, seconds_left, Path(folder), message)
