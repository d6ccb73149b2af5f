"""Procedural sounds: labelled classes that the recorded corpus lacks, made by code.

Each sound is a function of a random generator that returns 2.048 s of mono audio at 24 kHz and a caption.
Level is arbitrary (the corpus peak-normalises).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal

RATE = 24000
LENGTH = 49152
Rng = np.random.Generator
T = np.arange(LENGTH) / RATE


@dataclass(frozen=True)
class Sound:
    label: str
    make: Callable[[Rng], tuple[np.ndarray, str]]


SOUNDS: list[Sound] = []


def sound(label: str) -> Callable[[Callable[[Rng], tuple[np.ndarray, str]]], Callable[[Rng], tuple[np.ndarray, str]]]:
    def register(make: Callable[[Rng], tuple[np.ndarray, str]]) -> Callable[[Rng], tuple[np.ndarray, str]]:
        SOUNDS.append(Sound(label, make))
        return make

    return register


def pick(rng: Rng, *options: str) -> str:
    return str(rng.choice(options))


def noise(rng: Rng, low: float, high: float, order: int = 2) -> np.ndarray:
    """Band-passed white noise, unit variance."""
    sos = signal.butter(order, [low, min(high, 11900)], "bandpass", fs=RATE, output="sos")
    x = signal.sosfilt(sos, rng.standard_normal(LENGTH))
    return x / (x.std() + 1e-9)


def slow(rng: Rng, hz: float, depth: float) -> np.ndarray:
    """A random modulation around 1 with most of its power below ``hz``."""
    points = max(4, int(hz * LENGTH / RATE * 2) + 3)
    return 1 + depth * np.interp(np.linspace(0, 1, LENGTH), np.linspace(0, 1, points), rng.standard_normal(points))


def phase(frequency: np.ndarray | float) -> np.ndarray:
    """Running phase in radians of an instantaneous frequency in Hz."""
    return 2 * np.pi * np.cumsum(np.broadcast_to(frequency, (LENGTH,))) / RATE


def decay(seconds: float | np.ndarray, start: float = 0.0) -> np.ndarray:
    """Exponential decay to −60 dB in ``seconds``, silent before ``start``."""
    return np.where(start <= T, np.exp(-6.91 * np.maximum(T - start, 0) / seconds), 0)


def fm_voice(f: float, ratio: float, index: np.ndarray | float, amplitude: np.ndarray) -> np.ndarray:
    return amplitude * np.sin(phase(f) + index * np.sin(phase(f * ratio)))


def engine(rng: Rng, rpm: np.ndarray, cylinders: int, load: float) -> np.ndarray:
    """Harmonics of the firing rate with half orders, each cycle a little uneven, through an exhaust resonance."""
    crank = rpm / 60.0 * slow(rng, 8, 0.004)
    turn = phase(crank)
    x = np.zeros(LENGTH)
    for order in np.arange(0.5, 24, 0.5):
        on_fire = (order * 2) % cylinders == 0
        level = (1.0 if on_fire else 0.25 * rng.random()) / order ** (1.3 - 0.5 * load)
        audible = order * crank < 0.45 * RATE
        x += level * audible * np.sin(order * turn + rng.uniform(0, 2 * np.pi))
    bursts = np.maximum(0, np.sin(turn * cylinders / 2)) ** 4
    x += 0.5 * load * bursts * noise(rng, 150, 2500)
    peak = rng.uniform(80, 220)
    b, a = signal.iirpeak(peak, 2.0, fs=RATE)
    return x + 1.5 * signal.lfilter(b, a, x)


@sound("traffic")
def traffic(rng: Rng) -> tuple[np.ndarray, str]:
    """Several lanes: each vehicle passes with Doppler, inverse-distance level, tyre noise and its engine."""
    x = 0.15 * noise(rng, 60, 600) * slow(rng, 2, 0.2) + 0.03 * noise(rng, 600, 4000)
    vehicles = int(rng.integers(1, 5))
    for _ in range(vehicles):
        speed = rng.uniform(8, 30) * rng.choice([-1, 1])
        distance = rng.uniform(4, 25)
        position = speed * (T - rng.uniform(-0.5, 2.5))
        gap = np.hypot(position, distance)
        doppler = 1 / (1 + (speed * position / gap) / 343.0)
        truck = rng.random() < 0.25
        rpm = rng.uniform(1100, 1700) if truck else rng.uniform(1800, 3500)
        vehicle = 0.35 * engine(rng, rpm * doppler, 6 if truck else 4, rng.uniform(0.3, 0.9))
        tyre_top = 900 * doppler.mean() * rng.uniform(1.0, 3.0)
        vehicle += rng.uniform(0.5, 1.5) * noise(rng, 250, tyre_top) + 0.3 * noise(rng, 40, 250)
        x += vehicle * (distance / gap) * (8 / distance) ** 0.7 * slow(rng, 6, 0.06)
    if rng.random() < 0.12:
        f = rng.uniform(350, 480)
        start = rng.uniform(0.2, 1.2)
        gate = ((start < T) & (start + rng.uniform(0.15, 0.6) > T)).astype(float)
        x += (
            0.8
            * signal.sosfilt(signal.butter(1, 40, fs=RATE, output="sos"), gate)
            * (signal.sawtooth(phase(f)) + signal.sawtooth(phase(f * 1.26)))
        )
    names = (
        "traffic",
        "busy street traffic",
        "cars passing by",
        "road traffic noise",
        "city traffic",
        "highway traffic",
    )
    return x, pick(rng, *names) if vehicles > 1 else pick(rng, "a car passing by, traffic", "traffic", "car drive by")


@sound("car engine")
def car_engine(rng: Rng) -> tuple[np.ndarray, str]:
    if rng.random() < 0.5:
        rpm = np.full(LENGTH, rng.uniform(700, 1100))
        return engine(rng, rpm, 4, rng.uniform(0.2, 0.5)), pick(rng, "car engine idling", "engine idle", "car engine")
    points = rng.uniform(1200, 5500, 4)
    rpm = np.interp(T, np.linspace(0, 2.1, 4), points)
    return engine(rng, rpm, int(rng.choice([4, 6])), 0.9), pick(rng, "car engine revving", "engine revving", "motor")


@sound("truck")
def truck(rng: Rng) -> tuple[np.ndarray, str]:
    x = engine(rng, np.full(LENGTH, rng.uniform(550, 1400)), 6, 0.8)
    x += 0.4 * noise(rng, 800, 3000) * np.maximum(0, np.sin(phase(rng.uniform(20, 40))))
    return x, pick(rng, "diesel truck engine", "truck engine", "lorry engine running")


@sound("siren")
def siren(rng: Rng) -> tuple[np.ndarray, str]:
    low, high = rng.uniform(450, 700), rng.uniform(1000, 1600)
    style = pick(rng, "wail", "yelp", "two tone")
    if style == "two tone":
        f = np.where((T * rng.uniform(0.9, 2.0)) % 1 < 0.5, low, low * 1.33)
    else:
        rate = rng.uniform(0.25, 0.6) if style == "wail" else rng.uniform(2.5, 4.5)
        f = low + (high - low) * (0.5 - 0.5 * np.cos(phase(rate) + rng.uniform(0, 6)))
    p = phase(f)
    x = np.sin(p) + 0.4 * np.sin(2 * p) + 0.3 * np.sin(3 * p) + 0.1 * np.sin(5 * p) + 0.02 * noise(rng, 300, 3000)
    names = {
        "wail": ("police siren", "siren wailing", "emergency siren"),
        "yelp": ("siren yelp", "police siren, fast"),
        "two tone": ("ambulance siren", "two tone siren", "fire truck siren"),
    }
    return x, pick(rng, *names[style])


@sound("alarm")
def alarm(rng: Rng) -> tuple[np.ndarray, str]:
    f = rng.uniform(700, 3200)
    period = rng.uniform(0.12, 0.6)
    gate = ((T / period) % 1 < rng.uniform(0.35, 0.65)).astype(float)
    tone = np.sign(np.sin(phase(f))) if rng.random() < 0.5 else np.sin(phase(f)) + 0.3 * np.sin(phase(3 * f))
    return gate * tone, pick(rng, "alarm beeping", "alarm clock", "warning alarm", "alarm", "smoke alarm beeping")


@sound("hum")
def hum(rng: Rng) -> tuple[np.ndarray, str]:
    f = float(rng.choice([50, 60])) * rng.choice([1, 1, 2])
    x = sum(rng.uniform(0.1, 1) / k * np.sin(phase(f * k) + rng.uniform(0, 6)) for k in range(1, 14))
    return x + 0.02 * noise(rng, 100, 6000), pick(rng, "mains hum", "electric hum", "humming", "transformer hum")


@sound("click")
def click(rng: Rng) -> tuple[np.ndarray, str]:
    x = np.zeros(LENGTH)
    starts = [0.01] if rng.random() < 0.6 else list(np.arange(0.01, 2.0, rng.uniform(0.2, 0.7)))
    f, length = rng.uniform(900, 5000), rng.uniform(0.008, 0.04)
    for start in starts:
        x += decay(length, start) * (np.sin(phase(f)) + 0.5 * noise(rng, 1500, 10000))
    return x, pick(rng, "a click", "click", "mouse click", "button click") if len(starts) == 1 else pick(
        rng, "clicking", "clicks ticking"
    )


@sound("beep")
def beep(rng: Rng) -> tuple[np.ndarray, str]:
    f, length = rng.uniform(300, 2500), rng.uniform(0.1, 1.2)
    gate = np.clip(np.minimum(T / 0.005, (length - T) / 0.01), 0, 1)
    return gate * np.sin(phase(f)), pick(rng, "beep", "a short beep", "sine tone beep", "bleep", "electronic beep")


@sound("zap")
def zap(rng: Rng) -> tuple[np.ndarray, str]:
    f = rng.uniform(1500, 6000) * np.exp(-T / rng.uniform(0.03, 0.2)) + rng.uniform(60, 300)
    x = signal.sawtooth(phase(f), 0.5) if rng.random() < 0.5 else np.sin(phase(f) + 2 * np.sin(phase(f * 1.5)))
    return x * decay(rng.uniform(0.3, 1.2)), pick(rng, "laser zap", "laser", "zap", "sci fi laser shot")


@sound("riser")
def riser(rng: Rng) -> tuple[np.ndarray, str]:
    sweep = rng.uniform(100, 300) * np.exp(T / 2.048 * rng.uniform(1.5, 3.5))
    x = signal.sawtooth(phase(sweep)) * 0.5
    for k in range(16):
        part = slice(k * LENGTH // 16, (k + 1) * LENGTH // 16)
        centre = sweep[part].mean() * 2
        x[part] += noise(rng, centre * 0.7, min(centre * 1.6, 11000))[part] * 0.4
    return x * (T / 2.048) ** 1.5, pick(rng, "riser", "rising sweep", "uplifter", "synth riser", "sweep up")


@sound("bubbles")
def bubbles(rng: Rng) -> tuple[np.ndarray, str]:
    x = np.zeros(LENGTH)
    for start in rng.uniform(0, 2.0, int(rng.integers(10, 60))):
        f = rng.uniform(350, 1800) * (1 + np.maximum(T - start, 0) * rng.uniform(2, 12))
        x += rng.random() * decay(rng.uniform(0.03, 0.12), start) * np.sin(phase(np.minimum(f, 8000)))
    return x, pick(rng, "bubbles", "bubbling water", "underwater bubbles", "water bubbling")


@sound("kick drum")
def kick(rng: Rng) -> tuple[np.ndarray, str]:
    base = rng.uniform(38, 65)
    f = base + rng.uniform(60, 280) * np.exp(-T / rng.uniform(0.015, 0.06))
    length = rng.uniform(0.2, 1.2)
    x = decay(length) * np.sin(phase(f)) + rng.uniform(0, 0.35) * decay(0.03) * noise(rng, 800, 6000)
    x = np.tanh(x * rng.uniform(1, 3))
    long = length > 0.7
    names = (
        ("808 kick drum", "deep kick drum, bass", "sub kick")
        if long
        else ("kick drum", "punchy kick drum", "electronic kick drum", "techno kick")
    )
    return x, pick(rng, *names)


@sound("snare drum")
def snare(rng: Rng) -> tuple[np.ndarray, str]:
    f = rng.uniform(150, 260)
    x = decay(rng.uniform(0.12, 0.3)) * (np.sin(phase(f)) + 0.6 * np.sin(phase(f * 1.6)))
    x += rng.uniform(0.4, 1.0) * decay(rng.uniform(0.15, 0.5)) * noise(rng, 900, 10000)
    return x, pick(rng, "electronic snare drum", "snare drum", "808 snare", "synth snare")


@sound("closed hi-hat")
def hihat(rng: Rng) -> tuple[np.ndarray, str]:
    f = rng.uniform(250, 420)
    metal = sum(np.sign(np.sin(phase(f * r))) for r in (2, 3, 4.16, 5.43, 6.79, 8.21))
    sos = signal.butter(3, 6500, "highpass", fs=RATE, output="sos")
    return signal.sosfilt(sos, metal * decay(rng.uniform(0.06, 0.25))), pick(
        rng, "electronic closed hi-hat", "808 hi-hat", "closed hi-hat"
    )


@sound("fm bell")
def fm_bell(rng: Rng) -> tuple[np.ndarray, str]:
    f, length = rng.uniform(180, 1100), rng.uniform(1.5, 5.0)
    ratio = float(rng.choice([1.4, 3.5, 2.76, 1.41, 5.2, 7.1]))
    x = fm_voice(f, ratio, rng.uniform(1, 5) * decay(length * 0.7), decay(length))
    return x, pick(rng, "fm bell", "metallic fm bell", "dx7 bell", "synth bell note", "bell")


@sound("fm bass")
def fm_bass(rng: Rng) -> tuple[np.ndarray, str]:
    f = rng.uniform(35, 110)
    length = rng.uniform(0.5, 3.0)
    index = rng.uniform(1, 6) * decay(rng.uniform(0.2, 1.2))
    return fm_voice(f, float(rng.choice([1, 1, 2, 3, 0.5])), index, decay(length)), pick(
        rng, "fm bass", "synth bass note", "dx7 bass", "slap fm bass", "deep synth bass"
    )


@sound("pluck")
def pluck(rng: Rng) -> tuple[np.ndarray, str]:
    f, length = rng.uniform(90, 900), rng.uniform(0.3, 2.0)
    x = sum(
        np.exp(-6.91 * T / (length / (1 + 0.25 * k)))
        * np.sin(phase(f * k))
        * np.sin(np.pi * k * rng.uniform(0.1, 0.4))
        / k
        for k in range(1, 24)
        if f * k < 11000
    )
    return x, pick(rng, "synth pluck", "pluck", "plucked synth note", "short pluck")


def modes(rng: Rng, base: float, ratios: np.ndarray, times: np.ndarray, strike: float) -> np.ndarray:
    """Damped sinusoids; ``strike`` is the roll-off exponent of the excitation."""
    x = np.zeros(LENGTH)
    for r, seconds in zip(ratios, times, strict=True):
        if base * r < 11500:
            x += (
                rng.uniform(0.3, 1)
                / r**strike
                * np.exp(-6.91 * T / seconds)
                * np.sin(phase(base * r) + rng.uniform(0, 6))
            )
    return x


def impact(rng: Rng, material: str) -> tuple[np.ndarray, str]:
    size = pick(rng, "small", "large", "")
    scale = {"small": 1.8, "large": 0.5, "": 1.0}[size]
    count = 40
    if material == "metal":
        ratios, times = 1 + np.sort(rng.gamma(2.0, 3.0, count)), rng.uniform(0.4, 2.5, count)
        base, strike = rng.uniform(250, 700) * scale, 0.4
    elif material == "glass":
        ratios, times = 1 + np.sort(rng.gamma(1.6, 1.2, count)), rng.uniform(0.15, 0.8, count)
        base, strike = rng.uniform(1400, 2800) * scale, 0.5
    elif material == "wood":
        ratios, times = 1 + np.sort(rng.gamma(1.5, 1.6, count)), rng.uniform(0.03, 0.14, count)
        base, strike = rng.uniform(180, 650) * scale, 1.0
    else:
        ratios, times = 1 + np.sort(rng.gamma(1.5, 2.5, count)), rng.uniform(0.015, 0.06, count)
        base, strike = rng.uniform(350, 1200) * scale, 0.7
    x = modes(rng, base, ratios, times, strike)
    x = x / np.abs(x).max() + 0.3 * decay(0.02) * noise(rng, 500, 8000)
    verb = pick(rng, f"{material} impact", f"{material} hit", f"hitting {material}", f"striking a {material} object")
    return x, f"{size} {verb}".strip()


@sound("metal hit")
def metal_hit(rng: Rng) -> tuple[np.ndarray, str]:
    return impact(rng, "metal")


@sound("glass hit")
def glass_hit(rng: Rng) -> tuple[np.ndarray, str]:
    return impact(rng, "glass")


@sound("wood hit")
def wood_hit(rng: Rng) -> tuple[np.ndarray, str]:
    return impact(rng, "wood")


@sound("stone hit")
def stone_hit(rng: Rng) -> tuple[np.ndarray, str]:
    return impact(rng, "stone")


@sound("pot hit")
def pot_hit(rng: Rng) -> tuple[np.ndarray, str]:
    ratios = np.array([1, 1.02, 2.3, 2.36, 4.1, 4.2, 6.3, 8.9, 11.9]) * rng.uniform(0.97, 1.03, 9)
    x = modes(rng, rng.uniform(220, 700), ratios, rng.uniform(0.2, 1.4, 9), rng.uniform(0.2, 0.8))
    x = x / np.abs(x).max() + 0.4 * decay(0.03) * noise(rng, 200, 3000)
    return x, pick(rng, "hitting a pot with a wooden spoon", "pot hit with spoon", "metal pot hit", "cooking pot hit")


@sound("glass break")
def glass_break(rng: Rng) -> tuple[np.ndarray, str]:
    x = decay(0.25) * noise(rng, 2000, 11000) * 1.5
    for start in 0.02 + rng.gamma(1.2, 0.25, 45):
        f = rng.uniform(2200, 10500)
        x += rng.uniform(0.1, 0.8) * decay(rng.uniform(0.03, 0.25), start) * np.sin(phase(f))
    return x, pick(rng, "glass breaking", "glass shattering", "breaking glass", "window smashing")


@sound("explosion")
def explosion(rng: Rng) -> tuple[np.ndarray, str]:
    x = noise(rng, 30, 300) * decay(rng.uniform(1.5, 4)) * 1.5 + noise(rng, 100, 5000) * decay(rng.uniform(0.4, 1.5))
    return np.tanh(x), pick(rng, "explosion", "loud explosion", "bomb blast", "boom")


@sound("static")
def static(rng: Rng) -> tuple[np.ndarray, str]:
    x = noise(rng, rng.uniform(50, 500), rng.uniform(5000, 11500), 1)
    return x * slow(rng, 3, 0.03), pick(rng, "white noise", "static noise", "noise", "hiss")
