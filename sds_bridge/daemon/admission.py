"""Who may ask once the daemon listens beyond loopback: a token, kept in a file, and the addresses that said it.

An OSC sender is known by its IP address alone, and UDP lets anyone on the same network write another's address on a
datagram. So a bound address keeps strangers out and a forger not: see "Beyond this machine" in the README.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

from sds_bridge.errors import InputError

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 200
FILE = "token"
NEEDED = "the daemon needs its token first: send /sds/hello TOKEN from this address."
BOUND_SECONDS = 12 * 3600.0
MOST_BOUND = 256
# answers to strangers: a forged sender must not be flooded by us, nor a token be guessed
MOST_REFUSALS = 20


class Admission:
    """With ``token`` None everyone is admitted. An address stays bound until it is silent for ``BOUND_SECONDS``."""

    def __init__(self, token: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token, self._clock = token, clock
        self._bound: dict[str, float] = {}
        self._allowance = Allowance(MOST_REFUSALS, clock)

    def admitted(self, host: str) -> bool:
        if self._token is None:
            return True
        now = self._clock()
        if now - self._bound.get(host, -BOUND_SECONDS) >= BOUND_SECONDS:
            self._bound.pop(host, None)
            return False
        self._bound[host] = now
        return True

    def hello(self, host: str, token: str) -> None:
        """Bind ``host``; raises InputError for a wrong token, or where too many were tried just now."""
        if self._token is None:
            return
        if not self._allowance.open or not secrets.compare_digest(token.encode(), self._token.encode()):
            raise InputError("token: is not this daemon's. `sds-bridge serve` names the file that holds it.")
        self._bound.pop(host, None)
        self._bound[host] = self._clock()
        while len(self._bound) > MOST_BOUND:
            del self._bound[next(iter(self._bound))]

    def may_refuse(self, host: str) -> bool:
        """Whether a refusal may be sent to ``host`` now: always to the admitted, else ``MOST_REFUSALS`` a second in all."""
        return self.admitted(host) or self._allowance.take()


class Allowance:
    """At most ``most`` in each second."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._since, self._taken = -1.0, 0

    @property
    def open(self) -> bool:
        if self._clock() - self._since >= 1.0:
            self._since, self._taken = self._clock(), 0
        return self._taken < self._most

    def take(self) -> bool:
        if not self.open:
            return False
        self._taken += 1
        return True


def token_of(folder: Path, given: str | None) -> str:
    """``given`` when it will do, else the one in ``folder/token``, made there (readable by its owner only) when missing.

    Raises:
        InputError: too short, with blanks, or in a file that others can read.
    """
    if given is not None:
        return _checked(given, "--token")
    file = folder / FILE
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _checked(_kept(file), str(file))
    except OSError as error:
        raise InputError(f"{file}: can't be made ({error.strerror}). Give a --dir you may write to.") from None
    token = secrets.token_urlsafe(24)
    with os.fdopen(made, "w") as out:
        out.write(token + "\n")
    return token


def _kept(file: Path) -> str:
    try:
        opened = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(opened, errors="replace") as kept:
            about = os.fstat(kept.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise InputError(f"{file}: is no ordinary file. Remove it, and a new token is made.")
            if os.name == "posix" and about.st_mode & 0o077:
                raise InputError(
                    f"{file}: others can read the token. Run `chmod 600` on it, or remove it for a new one."
                )
            return kept.read(LONGEST_TOKEN + 2).strip()
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror}). Remove it, and a new token is made.") from None


def _checked(token: str, where: str) -> str:
    fits = SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()
    if not fits or set(token) & set(' ";,\\'):
        raise InputError(
            f"{where}: a token has {SHORTEST_TOKEN} to {LONGEST_TOKEN} plain characters, without blanks, quotes, ; , or \\. "
            "Leave --token away and one is made."
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether nothing beyond this machine reaches a socket bound to ``host``.

    Raises:
        InputError: no IPv4 address, nor a name of one.
    """
    try:
        addresses = {found[4][0] for found in socket.getaddrinfo(host, None, socket.AF_INET)}
    except (OSError, UnicodeError):
        raise InputError(
            f"--host {host[:80]!r}: is no IPv4 address of this machine. Give one as 192.168.1.5, or 0.0.0.0 for all of them."
        ) from None
    return all(str(address).startswith("127.") for address in addresses)


def names_of(host: str) -> frozenset[str]:
    """What a browser may call this machine when ``host`` is listened on, besides its addresses."""
    name = socket.gethostname().lower()
    return frozenset({host.lower(), name, f"{name}.local"})
