"""One job for a script inside a DAW: asked over OSC, its state kept as JSON in a file that the script reads.

The file is replaced whole at each change, so a reader never sees half of it. ``status`` is one of the daemon's and ends
as done, failed or cancelled, also when nothing answers; ``message`` tells why. A file of its name with ``.cancel``
added asks for a cancel.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sds_bridge.daemon.client import Client
from sds_bridge.daemon.store import Status
from sds_bridge.errors import InputError, JobError, SdsBridgeError, SpecError
from sds_bridge.host.mapping import positions
from sds_bridge.host.spec import PluginSpec, find_plugin, load_spec, spec_files
from sds_bridge.patch import Patch, write_text

POLL_SECONDS = 0.2
CANCEL_SUFFIX = ".cancel"


def separate(
    answer: Path, port: int, clip: Path, stems: Sequence[str], options: Sequence[str], token_file: Path | None = None
) -> bool:
    """Separate ``clip``; the answer names ``stems`` as ``[{"name", "path"}]``, the residual last. True when done."""

    def ask(client: Client) -> int:
        return client.separate(clip, stems, **_named(options))

    return _run(answer, port, token_file, ask, lambda folder: _stems(folder, stems))


def tune(
    answer: Path,
    port: int,
    prompt: str,
    synth: str,
    plugin: str,
    options: Sequence[str],
    token_file: Path | None = None,
) -> bool:
    """Tune ``synth``; the answer names ``patch``, ``preview`` and, for a ``plugin``, the patch's positions on it."""

    def ask(client: Client) -> int:
        _spec(plugin, synth)
        return client.tune(prompt, synth, **_named(options))

    return _run(answer, port, token_file, ask, lambda folder: _tuned(folder, _spec(plugin, synth)))


def _run(answer: Path, port: int, token_file: Path | None, ask: Any, found: Any) -> bool:
    cancel = answer.with_name(answer.name + CANCEL_SUFFIX)
    cancel.unlink(missing_ok=True)
    try:
        with Client(port=port, token=_token(token_file)) as client:
            job = ask(client)
            told: dict[str, Any] = {}
            asked = False
            while True:
                state = client.status(job)
                now = {
                    "job": job,
                    "status": state.status.value,
                    "step": state.step,
                    "steps": state.steps,
                    "seconds_left": state.seconds_left,
                    "folder": str(state.folder),
                    "message": state.message,
                }
                if state.status is Status.DONE:
                    now |= found(state.folder)
                if now != told:
                    _write(answer, now)
                    told = now
                if state.status.ended:
                    return state.status is Status.DONE
                if cancel.exists() and not asked:
                    asked = True
                    try:
                        client.cancel(job)
                    except JobError:
                        raise
                    except SdsBridgeError:
                        continue  # it ended meanwhile
                time.sleep(POLL_SECONDS)
    except SdsBridgeError as error:
        _write(answer, {"status": "failed", "message": str(error)})
        return False
    finally:
        cancel.unlink(missing_ok=True)


def _token(file: Path | None) -> str | None:
    """Read anew for each job: the daemon may have made another."""
    if file is None:
        return None
    try:
        return file.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--token-file {file}: can't be read ({error}). Give the file `token` in the daemon's --dir."
        ) from None


def _named(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise InputError(f"option {pair!r}: give it as name=value, as steps=50.")
        found[name.strip()] = value.strip()
    return found


def _stems(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    files = sorted(path for path in folder.glob("[0-9][0-9]-*.wav"))
    stems = [{"name": name, "path": str(file)} for name, file in zip(names, files, strict=True)]
    return {"stems": [*stems, {"name": "residual", "path": str(folder / "residual.wav")}]}


def _spec(plugin: str, synth: str) -> PluginSpec | None:
    if not plugin:
        return None
    _, spec = find_plugin(plugin)
    if spec is None or synth not in spec.mapping:
        able = [name for name, path in spec_files().items() if synth in load_spec(path).mapping]
        raise SpecError(
            f"{plugin}: no spec carries a patch of {synth} over to it. Give {' or '.join(able) or 'no plug-in'}, or none."
        )
    return spec


def _tuned(folder: Path, spec: PluginSpec | None) -> dict[str, Any]:
    found: dict[str, Any] = {"patch": str(folder / "patch.json"), "preview": str(folder / "preview.wav")}
    if spec is not None:
        placed, report = positions(Patch.load(folder / "patch.json"), spec)
        found["plugin"] = {"name": spec.name, "positions": placed, "report": report}
    return found


def _write(answer: Path, content: Mapping[str, Any]) -> None:
    write_text(answer, json.dumps(content))
