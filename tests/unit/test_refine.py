"""A chip voice fitted by ear: nearer than its mapping, the same every time, and what it still lacks is said in numbers."""

import numpy as np
import pytest

from sds_bridge.evaluation.metrics import spectrogram_correlation
from sds_bridge.formats import dx7, opm, opm_laws, opm_voice
from sds_bridge.formats.dx7_sysex import write_voice
from sds_bridge.patch import Patch
from sds_bridge.tasks import presets, refine

BASS = Patch(
    synth="fm",
    note=36,
    parameters={
        "op1.level": 0.5,
        "op1.decay": 1.5,
        "op1.sustain": 0.2,
        "op2.decay": 0.6,
        "op2.sustain": 0.05,
        "matrix.1.2": 3.0,
        "matrix.2.2": 0.4,
    },
)


def noisy(**parameters: float) -> Patch:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return BASS.model_copy(update={"parameters": {**BASS.parameters, **named}})


def test_likeness_is_the_metric():
    sounds = [refine.preview(p) for p in (BASS, noisy(matrix__1__2=1.0))]
    assert refine.Likeness(sounds[0])(sounds[1]) == pytest.approx(spectrogram_correlation(*sounds), abs=1e-4)
    assert refine.Likeness(sounds[0])(np.zeros(9)) == 0


def test_a_dx7_voice_gets_nearer_and_is_the_same_again():
    mapped, _ = dx7.convert(BASS)
    found = refine.refine_dx7(BASS, mapped, renders=60)
    assert found.after > found.before + 0.02
    assert found.renders <= 60
    assert refine.refine_dx7(BASS, mapped, renders=60).voice == found.voice
    assert len(write_voice(found.voice)) == 163
    assert found.voice.algorithm == mapped.algorithm


def test_a_ym2151_voice_gets_nearer_within_its_registers():
    pytest.importorskip("ymfm", reason="ymfm-py isn't installed: pip install ymfm-py")
    mapped = opm_voice.read(opm.export(BASS)[0])
    found = refine.refine_opm(BASS, mapped, renders=60)
    assert found.after > found.before + 0.05
    assert opm_voice.read(opm_voice.write(found.voice)) == found.voice
    unused = [slot for slot, o in enumerate(mapped.operators) if o.tl == opm_voice.SILENT]
    assert all(found.voice.operators[slot] == mapped.operators[slot] for slot in unused)


def test_the_converter_is_the_chips(monkeypatch):
    """What ymfm puts out has the form that our converter gives a sine."""
    pytest.importorskip("ymfm", reason="ymfm-py isn't installed: pip install ymfm-py")
    from sds_bridge.tasks.engines import ymfm

    monkeypatch.setattr(ymfm.audio, "resample", lambda sound, *_: sound)
    voice = opm_voice.read(opm.export(BASS)[0])
    sound = ymfm.play(voice, 36)
    put_out = np.round(sound * 32768).astype(int)
    assert all(w % (1 << max((w if w >= 0 else ~w).bit_length() - 9, 0)) == 0 for w in put_out.tolist())
    sine = np.sin(np.arange(5000) / 7.0)
    assert 1e-4 < np.sqrt(np.mean((opm_laws.converted(sine) - sine) ** 2)) < 3e-3
    exact = np.round(opm_laws.converted(sine / sine.max()) * opm_laws.CARRIER).astype(int)
    assert all(w % (1 << max((w if w >= 0 else ~w).bit_length() - 9, 0)) == 0 for w in exact.tolist())


def test_what_is_missing_is_named_with_numbers(monkeypatch):
    monkeypatch.setitem(refine.RENDERS, "dx7", 20)
    _, report = presets.fitted_dx7(noisy(noise__level=0.8, reverb__send=0.4, reverb__time=2.0))
    assert "then fitted in our DX7" in report[-2]
    assert "without noise 0." in report[-1] and "without the room 0." in report[-1]
    parts = opm.missing(noisy(pitch__sweep=12.0, op2__ratio=1.37))
    assert parts["the pitch sweep"] == {"pitch.sweep": 0.0}
    assert 1.2 < parts["ratios between the chip's 64"]["op2.ratio"] != 1.37
    assert opm.missing(BASS) == {}


def test_a_voice_without_sound_is_left_as_it_is():
    silent = Patch(synth="fm", parameters={"op1.level": 0.0})
    assert presets.fitted_dx7(silent)[0] == dx7.export(silent)[0]
    assert presets.fitted_opm(silent)[0].decode() == opm.export(silent)[0]
