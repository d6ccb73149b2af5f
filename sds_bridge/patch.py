"""A patch: a tuned sound as versioned JSON. Values are in each parameter's own unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sds_bridge.errors import PatchError
from sds_bridge.files import replacing

VERSION: Final = 1


def write_text(path: Path, text: str) -> None:
    """UTF-8, see :func:`~sds_bridge.files.replacing`."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


class Patch(BaseModel):
    """What a synth plays.

    ``parameters`` maps a declared name (``op1.ratio``) to a value in its unit, or to a list for a parameter
    with more than one value (``modes.gain``). ``settings`` are the synth's structural choices
    (``{"operators": 4}``). ``note`` is the MIDI note that the patch was tuned at.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Literal[1] = VERSION
    synth: str
    name: str = "untitled"
    note: int = Field(60, ge=0, le=127)
    settings: dict[str, int] = {}
    parameters: dict[str, float | list[float]]
    provenance: dict[str, Any] = {}

    @field_validator("parameters")
    @classmethod
    def _some(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("a patch needs at least one parameter")
        return value

    def save(self, path: str | Path) -> Path:
        path = Path(path)
        write_text(path, self.model_dump_json(indent=1) + "\n")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Patch:
        """Raises PatchError naming the file and the first thing wrong with it."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise PatchError(f"{path}: no such file. Give a patch.json that `sds-bridge tune` wrote.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise PatchError(
                f"{path}: can't be read as text ({error}). Give a patch.json that `sds-bridge tune` wrote."
            ) from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise PatchError(
                f"{path}: not a version {VERSION} patch: {where}: {first['msg']}. Tune or export it again."
            ) from None
