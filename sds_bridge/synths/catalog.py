"""Synths by name."""

from __future__ import annotations

from collections.abc import Callable

from sds_bridge.errors import PatchError
from sds_bridge.synths.base import Synth
from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.synths.fm import FMSynth
from sds_bridge.synths.modal import ModalSynth

MAKERS: dict[str, Callable[..., Synth]] = {"fm": FMSynth, "modal": ModalSynth, "dx7": DX7Synth}
SETTINGS = {"fm": {"operators": (1, 8)}, "modal": {"modes": (1, 4096)}, "dx7": {}}


def make_synth(name: str, settings: dict[str, int] | None = None) -> Synth:
    """Raises PatchError for an unknown synth, an unknown setting, or one outside its range."""
    if name not in SETTINGS:
        raise PatchError(f"synth {name!r} is unknown; there are: {', '.join(SETTINGS)}.")
    allowed = SETTINGS[name]
    given = dict(settings or {})
    for key, value in given.items():
        low, high = allowed.get(key, (1, 0))
        if not low <= value <= high:
            takes = ", ".join(f"{k} from {a} to {b}" for k, (a, b) in allowed.items()) or "no settings"
            raise PatchError(f"synth {name}: setting {key}={value} isn't allowed; it takes {takes}.")
    return MAKERS[name](**given)
