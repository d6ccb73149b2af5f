"""A child of the HTTP front for what needs torch at once: a step's preview, a patch as samples.

It doesn't wait behind a running job and touches no store. ``python -m sds_bridge.daemon.renderer`` reads one request
a line, ``{"id": 1, "do": "preview", …}``, and answers each with a line, ``{"id": 1, "report": […]}`` or
``{"id": 1, "error": "one line"}``, until its standard input closes.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sds_bridge.errors import SdsBridgeError

log = logging.getLogger(__name__)


def preview(folder: str, step: int, out: str) -> list[str]:
    """The tune in ``folder`` at ``step``, as the WAV file ``out``."""
    from sds_bridge.tasks import preview as task

    task.preview(Path(folder), step, Path(out))
    return []


def export(patch: str, to: str, out: str) -> list[str]:
    """A patch as a preset that holds rendered sound; what it can't hold."""
    from sds_bridge.patch import Patch
    from sds_bridge.tasks import presets

    return presets.export(Patch.load(patch), to, Path(out), force=True)


ERRANDS: dict[str, Callable[..., list[str]]] = {"preview": preview, "export": export}


def answer(line: str) -> dict[str, Any]:
    """Do what a request says; whatever goes wrong is its answer."""
    asked = json.loads(line)
    number = asked.pop("id")
    try:
        return {"id": number, "report": ERRANDS[asked.pop("do")](**asked)}
    except SdsBridgeError as error:
        return {"id": number, "error": " ".join(str(error).split())}
    except Exception as error:
        log.exception("request %d", number)
        return {"id": number, "error": f"internal error ({type(error).__name__}). The daemon's log says more."}


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s renderer %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not end up among the replies
    from sds_bridge.daemon.worker import prepare_torch

    prepare_torch()
    for line in sys.stdin:
        print(json.dumps(answer(line)), file=replies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
