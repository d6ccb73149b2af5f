"""An FM patch as a Faust program: every operator, the whole matrix, in each sample what our synth computes there.

The controls ``freq``, ``gain`` and ``gate`` are the ones that Faust's polyphonic architectures play. Feedback and
cycles are the same few sweeps within one sample as in :mod:`sds_bridge.synths.fm`, so nothing is delayed.

Reference: Faust 2.54 manual, chapter "MIDI and polyphony support".
"""

from __future__ import annotations

from sds_bridge.formats.fm_graph import matrix_of, unroll
from sds_bridge.formats.program_text import hz_of, title_of
from sds_bridge.patch import Patch
from sds_bridge.synths.fm_parameters import DEFAULT_OPERATORS, NOISE_LEVEL, fm_parameters
from sds_bridge.synths.parameters import check

INAUDIBLE = 1e-4

_PROGRAM = """\
// {title}: an FM patch from SDS Bridge, tuned at MIDI note {note}.
declare name "{title}";
declare options "[midi:on][nvoices:8]";
import("stdfaust.lib");

freq = hslider("freq [unit:Hz]", {hz:.6g}, 8, 13000, 0.001);
gain = hslider("gain", 1, 0, 1, 0.001);
gate = button("gate");

// seconds since the key went down, seconds that it was down, and seconds since it went up
onset = gate > gate';
time = ((+(1) : *(1 - onset)) ~ _) / ma.SR;
down = ba.sAndH(gate, time + 1 / ma.SR);
held = min(time, down);
after = max(time - down, 0);

// linear attack, 60 dB a decay towards the sustain, 60 dB a release
adsr(a, d, s, r) = min(held / a, 1) * (s + (1 - s) * exp(-6.907755 * max(held - a, 0) / d)) * exp(-6.907755 * after / r);
hz = freq * pow(2, ({offset:.7g} + {sweep:.7g} * exp(-time / {sweep_decay:.7g})) / 12);
phase(ratio) = ((+(ratio * hz / ma.SR) : ma.frac : *(1 - onset)) ~ _) * 2 * ma.PI;

{operators}

// the sines in the order in which each needs only earlier ones
{sines}

{noise}
loudness = {level:.7g} * (1 - {amount:.7g} + {amount:.7g} * gain * gain);
process = ({output} + noise) * loudness <: _, _;
"""
_NOISE = """\
// no.noise has an rms of 1/sqrt(3)
noise = (down > 0) * {level:.7g} * exp(-6.907755 * time / {decay:.7g}) * (no.noise * sqrt(3) : fi.lowpass(1, {tone:.7g}));"""


def export(patch: Patch) -> tuple[str, list[str]]:
    """The program's text, and what was dropped in plain words. The same patch always gives the same text.

    Raises:
        PatchError: values that don't fit the synth.
    """
    count = patch.settings.get("operators", DEFAULT_OPERATORS)
    one = {name: value[0] for name, value in check(patch, fm_parameters(count)).items()}
    sounding = [i for i in range(1, count + 1) if one[f"op{i}.level"]]
    nodes, last = unroll(matrix_of(one, count), sounding)
    sines = [
        f"y{number} = e{node.operator} * sin(p{node.operator}{''.join(f' + {index:.7g} * y{by}' for index, by in node.inputs)});"
        for number, node in enumerate(nodes)
    ]
    report = []
    noise = "noise = 0;"
    if one["noise.level"] > INAUDIBLE:
        level = NOISE_LEVEL * one["noise.level"]
        noise = _NOISE.format(level=level, decay=one["noise.decay"], tone=one["noise.tone"])
        report.append("noise is as loud and as coloured, but another random sequence")
    if one["reverb.send"] > INAUDIBLE:
        report.append(f"room (send {one['reverb.send']:.2g}) dropped: add a reverb after the program")
    if not sounding:
        report.append("no operator reaches the output: only noise sounds")
    return _PROGRAM.format(
        title=title_of(patch),
        note=patch.note,
        hz=hz_of(patch.note),
        offset=one["pitch.offset"],
        sweep=one["pitch.sweep"],
        sweep_decay=one["pitch.decay"],
        operators="\n".join(_operator(one, i) for i in sorted({node.operator for node in nodes})),
        sines="\n".join(sines),
        noise=noise,
        level=one["gain"],
        amount=one["velocity.amount"],
        output=" + ".join(f"{one[f'op{i}.level']:.7g} * y{last[i]}" for i in sounding) or "0",
    ), report


def _operator(one: dict[str, float], i: int) -> str:
    ratio = one[f"op{i}.ratio"] * 2 ** (one[f"op{i}.detune"] / 1200)
    times = ", ".join(f"{one[f'op{i}.{stage}']:.7g}" for stage in ("attack", "decay", "sustain", "release"))
    return f"p{i} = phase({ratio:.9g}); e{i} = adsr({times});"
