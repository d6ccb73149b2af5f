"""The sound of a tune at any step of its way, as the tune itself would have written it."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile
import torch

from sds_bridge import audio
from sds_bridge.errors import InputError
from sds_bridge.patch import Patch
from sds_bridge.synths.catalog import make_synth
from sds_bridge.synths.declarations import declared
from sds_bridge.tasks.history import patch_at
from sds_bridge.tasks.stage import HOLD_SHARE, VELOCITY
from sds_bridge.tasks.tune import PREVIEW_RATE


def preview(folder: Path, step: int, out: Path) -> Path:
    """Render step ``step`` (0 is the start) of the finished tune in ``folder`` to the WAV file ``out``.

    Note, seed and length are those of the tune's own ``preview.wav``; so is the level, lowered only where it would clip.

    Raises:
        InputError: not the folder of a finished tune, or not one of its steps.
    """
    try:
        request = json.loads((folder / "job.json").read_text("utf-8"))["request"]
        seconds = soundfile.info(folder / "preview.wav").duration
    except (OSError, ValueError, KeyError, soundfile.LibsndfileError) as error:
        raise InputError(f"{folder}: not a finished tune ({error}). Give the folder of one.") from None
    last = Patch.load(folder / "patch.json")
    patch = patch_at(folder, step, declared(last.synth, last.settings))
    synth = make_synth(patch.synth, patch.settings)
    with torch.inference_mode():
        stereo = synth.render(
            synth.values_from(patch),
            note=request["note"],
            velocity=VELOCITY,
            seconds=seconds,
            hold=seconds * HOLD_SHARE,
            rate=PREVIEW_RATE,
            seed=request["seed"],
            reference_note=patch.note,
        )[0].numpy()
    return audio.save(out, audio.unclipped(stereo), PREVIEW_RATE, "FLOAT")
