"""Ten varied patches without noise and room, which most formats drop: what is left to measure is the format itself."""

import numpy as np

from sds_bridge.patch import Patch


def fm(name: str, note: int = 48, **parameters: float) -> Patch:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return Patch(synth="fm", name=name, note=note, parameters=named)


def modal(name: str, hz: float, modes: int, seconds: float, spread: float = 1.0, seed: int = 0) -> Patch:
    """Higher modes are softer and shorter, each a little off its place."""
    random = np.random.default_rng(seed)
    k = np.arange(modes)
    parameters = {
        "pitch": hz,
        "spread": spread,
        "modes.residual": random.normal(0, 0.3, modes).clip(-12, 12).tolist(),
        "modes.gain": (0.3 / (1 + k) ** 0.7).tolist(),
        "modes.decay": (seconds / (1 + 0.3 * k)).clip(0.01, 6).tolist(),
        "strike.level": 0.0,
        "reverb.level": [0.0] * 7,
    }
    return Patch(synth="modal", name=name, note=60, settings={"modes": modes}, parameters=parameters)


TEN = [
    fm(
        "organ",
        op1__sustain=0.8,
        op2__level=0.3,
        op2__ratio=2,
        op2__sustain=0.8,
        op3__level=0.2,
        op3__ratio=3,
        op3__sustain=0.7,
    ),
    fm("bell", 60, op1__decay=4, op1__sustain=0, op2__ratio=3.0, op2__decay=3, op2__sustain=0, matrix__1__2=3.0),
    fm(
        "electric piano",
        60,
        op1__decay=2.5,
        op1__sustain=0,
        op2__ratio=14,
        op2__decay=0.4,
        op2__sustain=0,
        matrix__1__2=0.8,
        op3__level=0.4,
        op3__decay=3,
        op3__sustain=0,
        op4__decay=2,
        op4__sustain=0,
        matrix__3__4=0.9,
    ),
    fm(
        "bass",
        36,
        op1__decay=1.5,
        op1__sustain=0.2,
        op2__decay=0.6,
        op2__sustain=0.05,
        matrix__1__2=3.0,
        matrix__2__2=0.4,
    ),
    fm("brass", op1__attack=0.06, op1__sustain=0.9, op2__attack=0.09, op2__sustain=0.7, matrix__1__2=2.5),
    fm(
        "chain",
        op1__sustain=0.5,
        op2__ratio=2,
        op2__sustain=0.5,
        op3__ratio=5,
        op3__decay=0.5,
        op3__sustain=0.1,
        matrix__1__2=1.5,
        matrix__2__3=1.0,
    ),
    modal("marimba", 260.0, 6, 0.6, spread=1.9),
    modal("pot", 300.0, 64, 0.8, seed=1),
    modal("glass", 900.0, 16, 1.5, spread=1.3, seed=2),
    modal("gong", 90.0, 128, 5.0, spread=0.8, seed=3),
]
