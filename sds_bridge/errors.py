"""Every error that a user can cause. Messages name the value, what is allowed and what to do next, in one line."""

from typing import Any


class SdsBridgeError(Exception):
    """Root of all errors that the CLI and the daemon report without a traceback."""


class InputError(SdsBridgeError):
    """A prompt, file, option or path that can't be used."""


class PatchError(SdsBridgeError):
    """A patch file that can't be read, or that doesn't fit its synth."""


class FormatError(SdsBridgeError):
    """A preset file that can't be read or written."""


class PriorError(SdsBridgeError):
    """A prior that isn't installed, can't be fetched, or doesn't fit this machine."""


class DivergedError(SdsBridgeError):
    """Optimisation met a value that is not finite; ``outcome`` holds the state before."""

    def __init__(self, message: str, outcome: Any = None) -> None:
        super().__init__(message)
        self.outcome = outcome


class JobError(SdsBridgeError):
    """A job that is unknown or can't do what was asked in its present state."""


class PluginError(SdsBridgeError):
    """A plug-in that can't be found, loaded or played, or that crashed, or took longer than its time limit."""

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        """``fatal``: the plug-in brought its process down, or had to be ended; a scan puts it in quarantine."""
        super().__init__(message)
        self.fatal = fatal


class SpecError(SdsBridgeError):
    """A plug-in's spec or a session file that can't be read, or says what can't be."""
