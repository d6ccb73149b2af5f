"""Every synth's declared parameters by name, without torch."""

from __future__ import annotations

from collections.abc import Callable

from sds_bridge.errors import PatchError
from sds_bridge.synths.dx7_parameters import dx7_parameters
from sds_bridge.synths.fm_parameters import fm_parameters
from sds_bridge.synths.modal_parameters import modal_parameters
from sds_bridge.synths.parameters import Parameter

DECLARED: dict[str, Callable[..., list[Parameter]]] = {
    "fm": fm_parameters,
    "modal": modal_parameters,
    "dx7": dx7_parameters,
}
# structural choices of each synth and their ranges
SETTINGS = {"fm": {"operators": (1, 8)}, "modal": {"modes": (1, 4096)}, "dx7": {}}


def check_settings(name: str, settings: dict[str, int]) -> None:
    """Raises PatchError for an unknown synth, an unknown setting, or one outside its range."""
    if name not in SETTINGS:
        raise PatchError(f"synth {name!r} is unknown; there are: {', '.join(SETTINGS)}.")
    allowed = SETTINGS[name]
    for key, value in settings.items():
        low, high = allowed.get(key, (1, 0))
        if not low <= value <= high:
            takes = ", ".join(f"{k} from {a} to {b}" for k, (a, b) in allowed.items()) or "no settings"
            raise PatchError(f"synth {name}: setting {key}={value} isn't allowed; it takes {takes}.")


def declared(name: str, settings: dict[str, int] | None = None) -> list[Parameter]:
    """A synth's parameters in their fixed order; raises PatchError as :func:`check_settings`."""
    given = dict(settings or {})
    check_settings(name, given)
    return DECLARED[name](**given)
