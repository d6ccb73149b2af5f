"""What became of a patch on its way to a DX7 voice, in plain words."""

from __future__ import annotations

import math

from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7_envelope import Fit, PitchFit
from sds_bridge.formats.dx7_pitch import Tuning
from sds_bridge.formats.fm_routing import Routing, Wish

INAUDIBLE = 1e-3


class Report:
    """Collects; :meth:`lines` gives the routing first, then what is dropped, then what is rounded.

    Operators of the patch are numbered from 1 and called "operator"; the DX7's are called "OP1" to "OP6".
    """

    def __init__(self, one: dict[str, float], wish: Wish, routing: Routing) -> None:
        self.one = one
        self.wish = wish
        self.routing = routing
        self.rounded: list[str] = []
        self.other: list[str] = []
        self.cents: list[tuple[float, int]] = []
        self.decays: list[tuple[float, int]] = []
        self.releases: list[tuple[float, int, float]] = []
        self.levels: list[float] = []

    def operator(self, slot: int, level: int, fit: Fit, tuning: Tuning) -> None:
        """One DX7 operator as written at an output level."""
        source = self.routing.slots[slot].source + 1
        self.cents.append((abs(tuning.error), source))
        self.decays.append((fit.decay_db, source))
        self.releases.append((abs(math.log(fit.release_ratio)), source, fit.release_ratio))
        wanted = self.routing.slots[slot].level
        self.levels.append(abs(20 * math.log10(laws.amplitude(level) / wanted)) if wanted > 0 else 0.0)

    def sweep(self, fit: PitchFit) -> None:
        """The pitch envelope as written."""
        wanted = self.one["pitch.sweep"]
        if abs(wanted) < 0.05:
            return
        if not fit.start:
            self.other.append(f"pitch sweep of {wanted:+.2f} semitones dropped: the DX7's steps are 0.375")
            return
        text = f"pitch sweep from {wanted:+.1f} semitones became two straight lines from {fit.start:+.1f}"
        text += f", {fit.error:.1f} semitones off on average"
        if abs(wanted) / 12 / self.one["pitch.decay"] > laws.PITCH_RATES[-1] / laws.PITCH_RATE_DIVISOR:
            text += " (the DX7 moves at 12 octaves a second at most)"
        self.rounded.append(text + "; after the key is up the pitch drifts back there by 0.6 semitones a second")

    def feedback(self, value: int, amplitude: float) -> None:
        """The feedback as written, on an operator with this amplitude."""
        if self.routing.feedback is None:
            return
        number = self.routing.slots[self.routing.feedback].source + 1
        got = laws.full_feedback(self.routing.algorithm.number) * 2.0 ** (value - 7) * amplitude
        self.rounded.append(
            f"feedback of operator {number}: {self.one[f'matrix.{number}.{number}']:.2f} rad became {got:.2f}"
        )

    def velocity(self, sensitivity: int) -> None:
        """The key velocity sensitivity as written."""
        amount = self.one["velocity.amount"]
        if amount > 0.01:
            self.rounded.append(f"velocity.amount {amount:.2f} became key velocity sensitivity {sensitivity} of 7")

    def name(self, wanted: str, shown: str) -> None:
        """The name as written."""
        if wanted != shown:
            self.rounded.append(f"name {wanted!r} became {shown!r}: ten ASCII characters at most")

    def lines(self) -> list[str]:
        """Everything, most important first."""
        if not self.routing.slots:
            return ["no operator reaches the output: the voice is silent", *self._beside()]
        return [
            self._layout(),
            *self._copies(),
            *self._shared(),
            *self._dropped(),
            *self._beside(),
            *self._measures(),
            *self.rounded,
        ]

    def _layout(self) -> str:
        parts = []
        for slot, placed in sorted(self.routing.slots.items()):
            targets = self.routing.algorithm.targets[slot]
            use = (
                "into " + " and ".join(f"OP{t + 1}" for t in targets if t in self.routing.slots)
                if targets
                else "sounds"
            )
            parts.append(f"OP{slot + 1} = operator {placed.source + 1} ({use})")
        return f"algorithm {self.routing.algorithm.number}: {', '.join(parts)}"

    def _copies(self) -> list[str]:
        places: dict[int, list[int]] = {}
        for slot, placed in sorted(self.routing.slots.items()):
            places.setdefault(placed.source, []).append(slot)
        return [
            f"operator {source + 1} copied to {' and '.join(f'OP{s + 1}' for s in slots)}: it has more than one use"
            for source, slots in sorted(places.items())
            if len(slots) > 1
        ]

    def _shared(self) -> list[str]:
        """Paths whose index is another's, because one DX7 operator modulates several carriers alike."""
        found = []
        for by, placed in sorted(self.routing.slots.items()):
            for to in self.routing.algorithm.targets[by]:
                if to not in self.routing.slots:
                    continue
                target = self.routing.slots[to].source
                wanted, got = float(self.wish.matrix[target, placed.source]), placed.level * laws.FULL_INDEX
                if abs(wanted - got) > 0.05 * max(wanted, got):
                    path = f"matrix.{target + 1}.{placed.source + 1}"
                    found.append(f"{path}: {wanted:.2f} rad became {got:.2f}, as OP{by + 1} serves several carriers")
        return found

    def _dropped(self) -> list[str]:
        found, quiet = [], 0
        paths = self.routing.paths()
        for op, share in enumerate(self.wish.energy):
            carries = any(
                p.source == op and s in self.routing.algorithm.carriers for s, p in self.routing.slots.items()
            )
            level = self.one[f"op{op + 1}.level"]
            if share and not carries:
                found.append(
                    f"operator {op + 1}'s own sound (level {level:.2f}, {100 * share:.0f} % of the energy) dropped: "
                    "no carrier left"
                )
            elif not share and level > INAUDIBLE:
                found.append(f"operator {op + 1}'s own sound (level {level:.3f}) dropped: 50 dB below the rest")
        used = {placed.source for placed in self.routing.slots.values()}
        for to in range(len(self.wish.energy)):
            slots = [s for s, placed in self.routing.slots.items() if placed.source == to]
            for by in range(len(self.wish.energy)):
                index = float(self.wish.matrix[to, by])
                if to not in used or index <= 0:
                    continue
                if not self.wish.audible(to, by):
                    quiet += index > INAUDIBLE
                    continue
                there = sum((slot, to, by) in paths for slot in slots)
                if there < len(slots):
                    path = f"matrix.{to + 1}.{by + 1}, {index:.2f} rad"
                    what = f"modulation of operator {to + 1} by operator {by + 1} ({path})"
                    found.append(
                        f"{what} dropped"
                        + (f" in {len(slots) - there} of {len(slots)} copies" if there else ": no place")
                    )
        if quiet:
            found.append(
                f"{quiet} modulation path{'s' if quiet > 1 else ''} too weak to hear dropped (sidebands below −40 dB)"
            )
        return found

    def _beside(self) -> list[str]:
        found = list(self.other)
        if self.one["noise.level"] > INAUDIBLE:
            found.append(f"noise (level {self.one['noise.level']:.2f}) dropped: the DX7 has none")
        if self.one["reverb.send"] > INAUDIBLE:
            found.append(f"reverb (send {self.one['reverb.send']:.2f}) dropped: the DX7 has none")
        return found

    def _measures(self) -> list[str]:
        carriers = [placed for slot, placed in self.routing.slots.items() if slot in self.routing.algorithm.carriers]
        gain = max(self.one[f"op{placed.source + 1}.level"] for placed in carriers) * self.one["gain"]
        louder = f"{-20 * math.log10(gain):+.1f} dB" if gain > 0 else "from silence (gain is 0)"
        cents, tuned = max(self.cents)
        decay, shaped = max(self.decays)
        _, held, ratio = max(self.releases)
        return [
            f"level changed by {louder}: the loudest operator is written at 99, a voice has no volume",
            f"pitch within {cents:.1f} cents (operator {tuned} is farthest)",
            f"operator levels within {max(self.levels):.1f} dB",
            f"decays within {decay:.1f} dB on average (operator {shaped} is farthest)",
            f"release of operator {held} is {100 * (ratio - 1):+.0f} %, the farthest",
        ]
