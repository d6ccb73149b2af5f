"""A patch of ours on somebody's plug-in: each value carried over in its own unit, and what could not be told."""

from __future__ import annotations

from sds_bridge.errors import SpecError
from sds_bridge.host.spec import PluginSpec
from sds_bridge.patch import Patch
from sds_bridge.synths.declarations import declared
from sds_bridge.synths.parameters import check


def positions(patch: Patch, spec: PluginSpec) -> tuple[dict[str, float], list[str]]:
    """Positions 0…1 by the plug-in's names, and what was cut or dropped, in plain words.

    Raises:
        SpecError: the spec has no mapping from this synth.
        PatchError: the patch doesn't fit its own synth.
    """
    mapping = next((m for synth, m in spec.mapping.items() if synth == patch.synth), None)
    if mapping is None:
        known = " and ".join(spec.mapping) or "no synth"
        raise SpecError(
            f"{spec.name}: maps patches of {known}; this one is {patch.synth}. Give a preset or parameters."
        )
    theirs = spec.by_name()
    ours = {p.name: p for p in declared(patch.synth, patch.settings)}
    values = check(patch, ours.values())
    found = {name: theirs[name].declared.to_position(value) for name, value in mapping.fixed.items()}
    report = []
    for name, p in ours.items():
        value = values[name][0]
        if name in mapping.parameters:
            to = theirs[mapping.parameters[name]]
            cut = min(max(value, to.low), to.high)
            if abs(cut - value) > 1e-6 * max(1.0, abs(value)):
                report.append(f"{name} {value:g} {p.unit} became {cut:g}, the end of {to.name}'s range")
            found[to.name] = to.declared.to_position(cut)
        elif values[name] != [p.default] * p.size:
            report.append(f"{name} is not on {spec.name}")
    return found, report
