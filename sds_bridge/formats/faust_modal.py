"""A modal patch as a Faust program: each mode as a two-pole filter, the contact noise as filtered noise.

A mode's impulse response is exactly ours, R^n · cos(ωn): its transfer function is
(1 − R cos ω · z⁻¹) / (1 − 2R cos ω · z⁻¹ + R² · z⁻²). ``pm.modeFilter`` differs from it in the first sample, and
``pm.modalModel`` with 128 modes takes Faust minutes. The controls ``freq``, ``gain`` and ``gate`` are the ones that
Faust's polyphonic architectures play. Compiled with ``-double`` every mode is in tune; in single precision the lowest
ones are some cents off, as their coefficients are rounded.

Reference: Faust standard library, filters.lib and physmodels.lib.
"""

from __future__ import annotations

from sds_bridge.formats.modes import Mode, audible_modes
from sds_bridge.formats.program_text import hz_of, title_of
from sds_bridge.patch import Patch
from sds_bridge.synths.modal_parameters import DEFAULT_MODES, modal_parameters
from sds_bridge.synths.parameters import check

INAUDIBLE = 1e-3

_PROGRAM = """\
// {title}: a modal patch from SDS Bridge, tuned at MIDI note {note}.
// Compile with -double: the filters of low modes need it.
declare name "{title}";
declare options "[midi:on][nvoices:8]";
import("stdfaust.lib");

freq = hslider("freq [unit:Hz]", {hz:.6g}, 20, 8000, 0.001);
gain = hslider("gain", 1, 0, 1, 0.001);
gate = button("gate");

// the strike: one sample, as hard as the key's velocity
strike = (gate > gate') * (1 - {amount:.6g} + {amount:.6g} * gain * gain) * {level:.6g};
scale = freq / {hz:.8g};

// one mode: Hz at the tuned note, seconds to fall 60 dB, amplitude; silent where the played note lifts it over Nyquist
mode(hz, seconds, level) = fi.tf2(1, -1 * r * c, 0, -2 * r * c, r * r) * (level * (scale * hz < ma.SR / 2))
with {{
  r = pow(0.001, 1 / (seconds * ma.SR));
  c = cos(2 * ma.PI * min(scale * hz / ma.SR, 0.5));
}};
body = {body};
{contact}
process = strike <: body, contact :> _ <: _, _;
"""
_CONTACT = """
// contact noise: no.noise has an rms of 1/sqrt(3)
hiss = no.noise * sqrt(3) * {level:.6g} : fi.lowpass(1, {tone:.6g});
contact = fi.pole(pow(0.001, 1 / ({decay:.6g} * ma.SR))) * hiss;
"""
_NO_CONTACT = "\ncontact = 0 * _;\n"


def export(patch: Patch) -> tuple[str, list[str]]:
    """The program's text, and what was dropped in plain words. The same patch always gives the same text.

    Raises:
        PatchError: values that don't fit the synth.
    """
    values = check(patch, modal_parameters(patch.settings.get("modes", DEFAULT_MODES)))
    modes, report = audible_modes(values)
    level = values["strike.level"][0]
    contact = _NO_CONTACT
    if level > 0:
        contact = _CONTACT.format(decay=values["strike.decay"][0], level=level, tone=values["strike.tone"][0])
    if max(values["reverb.level"]) > INAUDIBLE:
        report.append("room (seven bands of reverb) dropped: add a reverb after the program")
    return _PROGRAM.format(
        title=title_of(patch),
        note=patch.note,
        hz=hz_of(patch.note),
        amount=values["velocity.amount"][0],
        level=values["gain"][0],
        body=_body(modes),
        contact=contact,
    ), report


def _body(modes: list[Mode]) -> str:
    if not modes:
        return "0 * _"
    return "_ <:\n  " + ",\n  ".join("mode({:.7g}, {:.7g}, {:.7g})".format(*mode) for mode in modes) + "\n  :> _"
