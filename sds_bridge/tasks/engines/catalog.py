"""The engines by the format that they open."""

from __future__ import annotations

from sds_bridge.tasks.engines import dexed, faust, sfizz
from sds_bridge.tasks.engines.base import Engine

ENGINES: dict[str, Engine] = {"dx7": dexed.ENGINE, "faust": faust.ENGINE, "sfz": sfizz.ENGINE}
