"""An FM patch as a Faust program: every operator, the whole matrix, in each sample what our synth computes there.

The controls ``freq``, ``gain`` and ``gate`` are the ones that Faust's polyphonic architectures play. Feedback and
cycles are the same few sweeps within one sample as in :mod:`sds_bridge.synths.fm`, so nothing is delayed.

Reference: Faust 2.54 manual, chapter "MIDI and polyphony support".
"""

from __future__ import annotations

from sds_bridge.formats.fm_graph import graph_of
from sds_bridge.formats.program_text import hz_of, title_of
from sds_bridge.patch import Patch

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
    graph = graph_of(patch, "program")
    one = graph.one
    sines = [
        f"y{number} = e{node.operator} * sin(p{node.operator}{''.join(f' + {index:.7g} * y{by}' for index, by in node.inputs)});"
        for number, node in enumerate(graph.nodes)
    ]
    noise = "noise = 0;"
    if graph.noise:
        noise = _NOISE.format(level=graph.noise.level, decay=graph.noise.decay, tone=graph.noise.tone)
    operators = [f"p{i} = phase({graph.ratio(i):.9g}); e{i} = adsr({graph.times(i)});" for i in graph.operators]
    return _PROGRAM.format(
        title=title_of(patch),
        note=patch.note,
        hz=hz_of(patch.note),
        offset=one["pitch.offset"],
        sweep=one["pitch.sweep"],
        sweep_decay=one["pitch.decay"],
        operators="\n".join(operators),
        sines="\n".join(sines),
        noise=noise,
        level=one["gain"],
        amount=one["velocity.amount"],
        output=" + ".join(f"{one[f'op{i}.level']:.7g} * y{graph.last[i]}" for i in graph.sounding) or "0",
    ), graph.report
