"""FM and modal patches as SuperCollider: a text that adds one SynthDef.

FM: the phases, envelopes and sines are audio-rate UGens, and feedback is the sweeps of :mod:`sds_bridge.synths.fm`
written out, so nothing waits for a block. Modal: ``Klank``, whose ring times are ours (60 dB) and whose response to an
impulse is R^n · cos(ωn) but for its first sample, which is half of that: the other half is added.

``freq`` is in Hz and ``vel`` is key velocity over 127; the synth frees itself after its release.

Reference: SuperCollider 3.13 help: SynthDef, Klank, Phasor, Sweep.
"""

from __future__ import annotations

import re

from sds_bridge.formats.fm_graph import ANOTHER_NOISE, INAUDIBLE, Noise, graph_of
from sds_bridge.formats.modes import audible_modes
from sds_bridge.formats.program_text import hz_of, title_of
from sds_bridge.patch import Patch
from sds_bridge.synths.modal_parameters import DEFAULT_MODES, modal_parameters
from sds_bridge.synths.parameters import check

SIXTY_DB = "6.907755"

_HEAD = """\
// {title}: a patch from SDS Bridge, tuned at MIDI note {note}. Evaluate this, then
// x = Synth({symbol}, [freq: {hz:.6g}, vel: 0.8]); and x.release;
SynthDef({symbol}, {{ |out = 0, freq = {hz:.6g}, vel = 1, gate = 1|
"""
_TAIL = "\tOut.ar(out, ({sound}) ! 2);\n}}).add;\n"
_FM = """\
	// seconds since the start, that the key was down, and since it went up
	var time = Sweep.ar(Impulse.ar(0));
	var up = K2A.ar(gate <= 0);
	var down = Latch.ar(time, up);
	var held = Select.ar(up, [time, down]);
	var after = (time - down) * up;
	var adsr = {{ |a, d, s, r| (held / a).min(1) * (s + ((1 - s) * exp(-6.907755 * (held - a).max(0) / d))) * exp(-6.907755 * after / r) }};
	var hz = freq * (2 ** (({offset:.7g} + ({sweep:.7g} * exp(time.neg / {sweep_decay:.7g}))) / 12));
	var phase = {{ |ratio| Phasor.ar(0, ratio * hz / SampleRate.ir) * 2pi }};
	var {names};
{lines}
	FreeSelf.kr(A2K.kr(after) > {longest:.4g});
"""


def export_fm(patch: Patch) -> tuple[str, list[str]]:
    """The text, and what was dropped in plain words. The same patch always gives the same text.

    Raises:
        PatchError: values that don't fit the synth.
    """
    graph = graph_of(patch, "synth")
    one = graph.one
    lines = [f"\tp{i} = phase.({graph.ratio(i):.9g}); e{i} = adsr.({graph.times(i)});" for i in graph.operators]
    for number, node in enumerate(graph.nodes):
        moved = "".join(f" + ({index:.7g} * y{by})" for index, by in node.inputs)
        lines.append(f"\ty{number} = e{node.operator} * (p{node.operator}{moved}).sin;")
    parts = [f"({one[f'op{i}.level']:.7g} * y{graph.last[i]})" for i in graph.sounding]
    longest = max([one[f"op{i}.release"] for i in graph.sounding], default=0.0)
    if graph.noise:
        parts.append(_noise(graph.noise))
        longest = max(longest, graph.noise.decay)
    names = [f"p{i}, e{i}" for i in graph.operators] + [f"y{number}" for number in range(len(graph.nodes))] or ["none"]
    body = _FM.format(
        offset=one["pitch.offset"],
        sweep=one["pitch.sweep"],
        sweep_decay=one["pitch.decay"],
        names=", ".join(names),
        lines="\n".join(lines),
        longest=1.5 * longest,
    )
    sound = f"({' + '.join(parts) or 'Silent.ar'}) * {_loudness(one['gain'], one['velocity.amount'])}"
    return _head(patch) + body + _TAIL.format(sound=sound), graph.report


def export_modal(patch: Patch) -> tuple[str, list[str]]:
    """As :func:`export_fm`."""
    values = check(patch, modal_parameters(patch.settings.get("modes", DEFAULT_MODES)))
    modes, report = audible_modes(values)
    level, decay, tone = (values[f"strike.{key}"][0] for key in ("level", "decay", "tone"))
    parts = []
    body = f"\tvar time = Sweep.ar(Impulse.ar(0));\n\tvar scale = freq / {hz_of(patch.note):.8g};\n"
    if modes:
        columns = ["[" + ", ".join(f"{mode[k]:.7g}" for mode in modes) + "]" for k in range(3)]
        body += f"\tvar hz = {columns[0]} * scale;\n"
        body += f"\tvar amplitudes = {columns[2]} * (hz < (SampleRate.ir / 2));\n"
        body += f"\tvar body = Klank.ar(`[hz.min(SampleRate.ir / 2), amplitudes, {columns[1]}], Impulse.ar(0));\n"
        parts.append("body + (Impulse.ar(0) * amplitudes.sum / 2)")
    if level > INAUDIBLE:
        parts.append(_noise(Noise(level, decay, tone)))
        report.append(ANOTHER_NOISE)
    if max(values["reverb.level"]) > INAUDIBLE:
        report.append("room (seven bands of reverb) dropped: add a reverb after the synth")
    longest = max([mode[1] for mode in modes] + [decay])
    body += f"\tFreeSelf.kr(A2K.kr(time) > {1.5 * longest:.4g});\n"
    sound = f"({' + '.join(parts) or 'Silent.ar'}) * {_loudness(values['gain'][0], values['velocity.amount'][0])}"
    return _head(patch) + body + _TAIL.format(sound=sound), report


def symbol_of(patch: Patch) -> str:
    r"""Its name as a SuperCollider symbol: ``\kick_drum``."""
    plain = re.sub(r"[^a-z0-9]+", "_", patch.name.lower()).strip("_")
    return "\\" + (plain if plain[:1].isalpha() else f"patch_{plain}".rstrip("_"))


def _head(patch: Patch) -> str:
    return _HEAD.format(title=title_of(patch), note=patch.note, symbol=symbol_of(patch), hz=hz_of(patch.note))


def _noise(noise: Noise) -> str:
    """White noise under a first-order low-pass; WhiteNoise has an rms of 1/√3, and OnePole passes 0 Hz as it is."""
    hiss = f"OnePole.ar(WhiteNoise.ar(sqrt(3)), exp(-2pi * {noise.tone:.7g} / SampleRate.ir))"
    return f"({noise.level:.7g} * exp(-{SIXTY_DB} * time / {noise.decay:.7g}) * {hiss})"


def _loudness(gain: float, amount: float) -> str:
    return f"{gain:.7g} * ({1 - amount:.7g} + ({amount:.7g} * vel * vel))"
