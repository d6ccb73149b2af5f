"""The engines by the format that they open."""

from __future__ import annotations

from sds_bridge.tasks.engines import dexed, faust, sfizz, supercollider, vital, ymfm
from sds_bridge.tasks.engines.base import Engine

ENGINES: dict[str, Engine] = {
    "dx7": dexed.ENGINE,
    "faust": faust.ENGINE,
    "supercollider": supercollider.ENGINE,
    "sfz": sfizz.ENGINE,
    "vital": vital.ENGINE,
    "opm": ymfm.ENGINE,
}
