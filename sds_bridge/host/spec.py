"""A plug-in's spec: what its parameters mean, where it is found, what a match may move, what was verified.

One TOML file a plug-in in ``plugin_specs/``; ``schema.json`` there is this model's JSON Schema.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sds_bridge.errors import PluginError, SpecError
from sds_bridge.host.folders import SUFFIX, plugin_files, plugin_folders, spec_folders, system
from sds_bridge.host.scan import scanned
from sds_bridge.synths.parameters import Curve, Parameter

Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ParameterSpec(_Table):
    """One parameter. The host moves its position 0…1; ``low``, ``high`` and ``curve`` tell what the plug-in makes of it."""

    name: Name = Field(description="as the host lists it, `op1_ratio`: see `sds-bridge plugins show`")
    about: str = ""
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    curve: Curve = Field("linear", description="position to value: linear, log, or taper (exponential from zero)")
    default: float | None = Field(None, description="in its unit")
    step: float = Field(0.0, ge=0, description="in its unit; 0 for any value")
    choices: list[str] = Field([], description="texts of a parameter whose values name behaviours")
    match: bool = Field(False, description="whether `match` may move it")

    @model_validator(mode="after")
    def _fits(self) -> ParameterSpec:
        if self.low >= self.high:
            raise ValueError(f"{self.name}: low {self.low:g} is not below high {self.high:g}")
        if self.default is not None and not self.low <= self.default <= self.high:
            raise ValueError(f"{self.name}: default {self.default:g} is not within {self.low:g} to {self.high:g}")
        if self.curve == "log" and self.low <= 0:
            raise ValueError(f"{self.name}: a log curve needs low above 0")
        return self

    @property
    def declared(self) -> Parameter:
        default = self.low if self.default is None else self.default
        return Parameter(self.name, self.unit, self.low, self.high, self.curve, default, self.about, step=self.step)

    @property
    def positions(self) -> int:
        """How many positions it has; 0 for any."""
        if self.choices:
            return len(self.choices)
        return round((self.high - self.low) / self.step) + 1 if self.step and self.curve == "linear" else 0


class Files(_Table):
    """File names of the bundle, looked for under the system's plug-in folders."""

    linux: list[Name] = []
    macos: list[Name] = []
    windows: list[Name] = []


class Presets(_Table):
    """How its presets are saved."""

    format: Literal["vstpreset"] = "vstpreset"
    note: str = ""


class Mapping(_Table):
    """From one of our synths' patches. Values carry over in their unit, cut to the parameter's range."""

    parameters: dict[Name, Name] = Field(description="a patch's parameter to this plug-in's")
    fixed: dict[Name, float] = Field({}, description="values, in their unit, that a mapped patch always has")
    note: str = ""


class Verification(_Table):
    """What was tried, with what."""

    version: Name
    host: Name
    system: Name
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    checks: list[Name] = Field(min_length=1)


class PluginSpec(_Table):
    """One plug-in."""

    name: Name
    maker: Name
    identifier: str = Field("", description="as the host tells it; empty where it differs by build")
    format: Literal["vst3"] = "vst3"
    instrument: bool = True
    website: str = ""
    licence: str = ""
    verified: bool = Field(description="whether it was run through this program; false says that nobody has")
    note: str = ""
    complete: bool = Field(True, description="whether every parameter is listed")
    files: Files
    presets: Presets = Presets()
    verification: Verification | None = None
    mapping: dict[Literal["fm", "modal", "dx7"], Mapping] = {}
    parameter: list[ParameterSpec] = []

    @model_validator(mode="after")
    def _consistent(self) -> PluginSpec:
        names = [p.name for p in self.parameter]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"parameter {twice[0]!r} is listed twice")
        for synth, mapping in self.mapping.items():
            for name in [*mapping.parameters.values(), *mapping.fixed]:
                if name not in names:
                    raise ValueError(f"mapping.{synth} names {name!r}, which is not a parameter here")
        if self.verified and self.verification is None:
            raise ValueError("verified = true needs a [verification] table that says with what")
        return self

    def by_name(self) -> dict[str, ParameterSpec]:
        return {p.name: p for p in self.parameter}

    @property
    def standing(self) -> str:
        """``verified`` with what, or that it was not, in words."""
        if not self.verified or self.verification is None:
            return "not verified: nobody has run it through this program"
        return f"verified: version {self.verification.version} in {self.verification.host}, {self.verification.system}"

    def find(self) -> Path | None:
        """Where the plug-in is installed here."""
        wanted = {name.lower() for name in getattr(self.files, system())}
        return next((path for path in plugin_files(plugin_folders()) if path.name.lower() in wanted), None)


def load_spec(path: str | Path) -> PluginSpec:
    """Raises SpecError naming the file and the first thing wrong with it."""
    return load_toml(path, PluginSpec, "spec")


Model = TypeVar("Model", bound=BaseModel)


def load_toml(path: str | Path, kind: type[Model], what: str) -> Model:
    """A TOML file as a model; raises SpecError in one line."""
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file. Give a {what} in TOML.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(
            f"{path}: not readable as TOML ({' '.join(str(error).split())}). Mend it, or give another."
        ) from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        given = "" if first["type"] in ("missing", "value_error") else f" (got {str(first.get('input'))[:60]!r})"
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"{path}: {where}: {message}{given}. Mend it, or give another {what}.") from None


def spec_files() -> dict[str, Path]:
    """Specs by name, the user's before ours."""
    found: dict[str, Path] = {}
    for folder in spec_folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find_plugin(text: str, base: Path = Path()) -> tuple[Path | None, PluginSpec | None]:
    """A plug-in as people name it: a spec's name or .toml file, or a .vst3 path (relative to ``base``).

    Returns:
        Where it is installed (None if it isn't), and its spec (None if it has none).

    Raises:
        SpecError: no such spec, or one that can't be read.
    """
    if text.lower().endswith(SUFFIX):
        path = base / Path(text).expanduser()
        return path, _spec_of(path.name)
    if text.endswith(".toml"):
        spec = load_spec(base / text)
        return spec.find(), spec
    files = spec_files()
    if text not in files:
        raise SpecError(
            f"plug-in {text!r} has no spec; there are: {', '.join(files)}. Give one of them, or a .vst3 path."
        )
    spec = load_spec(files[text])
    return spec.find(), spec


def installed_plugin(text: str, base: Path = Path()) -> tuple[Path, PluginSpec | None]:
    """:func:`find_plugin`, or a PluginError where it isn't installed, or in no folder that was scanned: a session or
    spec that somebody sent must not pick the code that is run."""
    path, spec = find_plugin(text, base)
    if path is None or not path.exists():
        raise PluginError(f"{text}: is not installed here. Install it, or set $SDS_BRIDGE_PLUGINS to its folder.")
    if not scanned(path):
        raise PluginError(
            f"{path}: lies in no scanned folder. If you trust it, run `sds-bridge plugins scan --folder {path.parent}`."
        )
    return path, spec


def _spec_of(name: str) -> PluginSpec | None:
    """Of the plug-in with that file name; another's spec that can't be read is no matter here."""
    for path in spec_files().values():
        if name in path.read_text(encoding="utf-8", errors="replace"):
            spec = load_spec(path)
            if name in _names(spec):
                return spec
    return None


def _names(spec: PluginSpec) -> list[str]:
    return [*spec.files.linux, *spec.files.macos, *spec.files.windows]


def schema() -> str:
    """The JSON Schema that editors check a spec with."""
    content: dict[str, Any] = PluginSpec.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=1) + "\n"
