"""ymfm's YM2151 (ymfm-py), its registers written as a player of .opm voices would. Velocity changes nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sds_bridge import audio
from sds_bridge.formats.opm_laws import CLOCK, key_code
from sds_bridge.formats.opm_laws import RATE as CHIP_RATE
from sds_bridge.formats.opm_voice import Voice, read
from sds_bridge.tasks.engines.base import HOLD, RATE, SECONDS, Engine, Player, package_version

# the chip counts operators M1, M2, C1, C2, the file M1, C1, M2, C2
REGISTER_ORDER = (0, 2, 1, 3)
FULL = 32768.0


@contextmanager
def opened(path: Path) -> Iterator[Player]:
    voice = read(path.read_text(encoding="utf-8"))
    yield lambda note, velocity: play(voice, note)


def play(voice: Voice, note: int, hold: float = HOLD, seconds: float = SECONDS) -> np.ndarray:
    """Mono at ``RATE``."""
    import ymfm

    chip = ymfm.YM2151(clock=CLOCK)
    chip.reset()

    def set_register(register: int, value: int) -> None:
        chip.write_address(register)
        chip.write_data(value)

    for register in range(0x20, 0x100):
        set_register(register, 0)
    set_register(0x20, 0xC0 | voice.feedback << 3 | voice.connection)
    set_register(0x28, key_code(note))
    for place, which in enumerate(REGISTER_ORDER):
        o = voice.operators[which]
        values = (o.dt1 << 4 | o.mul, o.tl, o.ks << 6 | o.ar, o.d1r, o.dt2 << 6 | o.d2r, o.d1l << 4 | o.rr)
        for bank, value in zip((0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0), values, strict=True):
            set_register(bank + 8 * place, value)
    set_register(0x08, voice.slots << 3)
    held = np.array(chip.generate(round(hold * CHIP_RATE)))
    set_register(0x08, 0)
    after = np.array(chip.generate(round((seconds - hold) * CHIP_RATE)))
    sound = np.concatenate([held, after]).reshape(-1, 2)[:, :1].T / FULL
    return audio.resample(sound.astype(np.float32), CHIP_RATE, RATE)[0].astype(np.float64)


ENGINE = Engine("YM2151 of ymfm (ymfm-py)", "pip install ymfm-py", lambda: package_version("ymfm-py"), opened)
