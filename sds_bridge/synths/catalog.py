"""Synths by name."""

from __future__ import annotations

from sds_bridge.errors import PatchError
from sds_bridge.synths.base import Synth
from sds_bridge.synths.fm import FMSynth
from sds_bridge.synths.modal import ModalSynth

SETTINGS = {"fm": ("operators", 1, 8), "modal": ("modes", 1, 4096)}


def make_synth(name: str, settings: dict[str, int] | None = None) -> Synth:
    """Raises PatchError for an unknown synth, an unknown setting, or one outside its range."""
    if name not in SETTINGS:
        raise PatchError(f"synth {name!r} is unknown; there are: {', '.join(SETTINGS)}.")
    setting, low, high = SETTINGS[name]
    given = dict(settings or {})
    for key, value in given.items():
        if key != setting or not low <= value <= high:
            raise PatchError(
                f"synth {name}: setting {key}={value} isn't allowed; it takes {setting} from {low} to {high}."
            )
    return FMSynth(**given) if name == "fm" else ModalSynth(**given)
