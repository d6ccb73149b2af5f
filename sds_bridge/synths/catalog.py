"""Synths by name."""

from __future__ import annotations

from collections.abc import Callable

from sds_bridge.synths.base import Synth
from sds_bridge.synths.declarations import check_settings
from sds_bridge.synths.dx7 import DX7Synth
from sds_bridge.synths.fm import FMSynth
from sds_bridge.synths.modal import ModalSynth

MAKERS: dict[str, Callable[..., Synth]] = {"fm": FMSynth, "modal": ModalSynth, "dx7": DX7Synth}


def make_synth(name: str, settings: dict[str, int] | None = None) -> Synth:
    """Raises PatchError for an unknown synth, an unknown setting, or one outside its range."""
    given = dict(settings or {})
    check_settings(name, given)
    return MAKERS[name](**given)
