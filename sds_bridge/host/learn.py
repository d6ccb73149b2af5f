"""A first spec from a plug-in's own parameter list, and a spec held against the plug-in."""

from __future__ import annotations

import json
from typing import Any

from sds_bridge.host.folders import system
from sds_bridge.host.plugin import HostedParameter, Identity, Plugin
from sds_bridge.host.spec import Files, ParameterSpec, PluginSpec

# what changes a sound's length, its tuning or nothing at all is not what a match should move
NOT_TO_MATCH = (
    "midi",
    "cc",
    "bypass",
    "latency",
    "buffer",
    "sample_rate",
    "program",
    "poly",
    "voices",
    "tun",
    "transpose",
)
TOLERANCE = 1e-3


def learn(plugin: Plugin, file_name: str) -> PluginSpec:
    """What the host can tell; curves, meanings, and what to match are for a person to go over."""
    identity = plugin.identity
    assert identity is not None
    return PluginSpec(
        name=identity.name,
        maker=identity.maker or "unknown",
        identifier=identity.identifier,
        instrument=identity.instrument,
        verified=False,
        note=f"Learnt from version {identity.version}: go over what `match` may move, units and curves.",
        files=Files(**{system(): [file_name]}),
        parameter=[_learnt(p) for p in plugin.parameters],
    )


def _learnt(p: HostedParameter) -> ParameterSpec:
    numbers = p.low is not None and p.high is not None and p.low < p.high and not p.choices
    low, high = (float(p.low or 0), float(p.high or 1)) if numbers else (0.0, 1.0)
    return ParameterSpec(
        name=p.name,
        about=p.title,
        unit=p.unit,
        low=low,
        high=high,
        default=min(max(low + (high - low) * p.default, low), high),
        step=(high - low) / (p.steps - 1) if p.steps > 1 else 0.0,
        choices=p.choices,
        match=not p.choices and not any(word in p.name for word in NOT_TO_MATCH),
    )


def differences(spec: PluginSpec, identity: Identity, parameters: list[HostedParameter]) -> list[str]:
    """Where a spec and the plug-in disagree, in plain words; empty when they agree."""
    found = []
    if identity.name != spec.name:
        found.append(f"the plug-in calls itself {identity.name!r}, the spec {spec.name!r}")
    if identity.instrument != spec.instrument:
        found.append(
            f"the plug-in is {'an instrument' if identity.instrument else 'an effect'}, the spec says otherwise"
        )
    theirs = {p.name: p for p in parameters}
    ours = spec.by_name()
    found += [f"the plug-in has no parameter {name!r}" for name in ours if name not in theirs]
    if spec.complete:
        found += [f"the spec lacks the parameter {name!r}" for name in theirs if name not in ours]
    for name in ours.keys() & theirs.keys():
        mine, real = ours[name], theirs[name]
        if real.steps and mine.positions and real.steps != mine.positions:
            found.append(f"{name} has {real.steps} positions, in the spec {mine.positions}")
        if mine.default is not None and abs(mine.declared.to_position(mine.default) - real.default) > TOLERANCE:
            found.append(
                f"{name} starts at position {real.default:.4g}, by the spec at {mine.declared.to_position(mine.default):.4g}"
            )
    return sorted(found)


def to_toml(spec: PluginSpec) -> str:
    """The spec as TOML, a line a parameter, with what is at its default left out."""
    content = spec.model_dump(exclude_defaults=True, exclude_none=True)
    rows = content.pop("parameter", [])
    tables = {key: content.pop(key) for key in list(content) if isinstance(content[key], dict)}
    lines = ["#:schema ./schema.json", *(f"{key} = {_literal(value)}" for key, value in content.items()), ""]
    lines += ["parameter = [", *(f"    {_literal(row)}," for row in rows), "]"]
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{_key(name)} = {_literal(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    # JSON's strings and booleans are TOML's too, but for DEL
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "")
    return name if bare.isascii() and bare.isalnum() else _literal(name)
