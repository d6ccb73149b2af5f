"""FM patches as DX7 voices: what goes where, what is said about it, and that it needs no torch."""

import subprocess
import sys

import numpy as np
import pytest

from sds_bridge.errors import FormatError, PatchError
from sds_bridge.formats import catalog
from sds_bridge.formats import dx7_laws as laws
from sds_bridge.formats.dx7 import DX7, convert, dx7_name, export, velocity_sensitivity
from sds_bridge.formats.dx7_envelope import fit_envelope, fit_sweep
from sds_bridge.formats.dx7_sysex import parse_voice
from sds_bridge.formats.fm_routing import Wish, route, worth
from sds_bridge.formats.fm_shape import Shape
from sds_bridge.patch import Patch
from sds_bridge.synths.dx7_algorithms import ALGORITHMS
from sds_bridge.synths.fm_parameters import fm_parameters


def fm(operators: int = 4, **parameters: float) -> Patch:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return Patch(synth="fm", settings={"operators": operators}, parameters={"op1.level": 0.5, **named})


def random_patch(seed: int, operators: int = 4) -> Patch:
    random = np.random.default_rng(seed)
    parameters = {p.name: float(p.to_value(random.random())) for p in fm_parameters(operators)}
    return Patch(synth="fm", settings={"operators": operators}, parameters=parameters)


def test_formats_need_no_torch():
    heavy = "{'torch', 'diffusers', 'transformers'}"
    code = f"import sys, sds_bridge.formats.catalog; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("operators", [1, 2, 4, 6])
def test_same_patch_same_bytes(operators):
    first, report = export(random_patch(3, operators))
    code = (
        "import sys; from sds_bridge.patch import Patch; from sds_bridge.formats.dx7 import export;"
        "sys.stdout.write(export(Patch.model_validate_json(sys.stdin.read()))[0].hex())"
    )
    text = random_patch(3, operators).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == first.hex()
    assert export(random_patch(3, operators)) == (first, report)


@pytest.mark.parametrize("seed", range(12))
def test_random_patches_give_valid_voices(seed):
    message, report = export(random_patch(seed, 4 + seed % 3))
    voice = parse_voice(message)
    carriers = ALGORITHMS[voice.algorithm].carriers
    assert max(voice.operators[c].output_level for c in carriers) == 99
    assert all("\n" not in line and "inf" not in line and "nan" not in line for line in report)


def test_a_two_operator_patch_is_kept_whole():
    voice, report = convert(fm(matrix__1__2=3.0, op2__ratio=2.0))
    algorithm = ALGORITHMS[voice.algorithm]
    used = [i for i, op in enumerate(voice.operators) if op.output_level]
    assert len(used) == 2
    carrier, modulator = used
    assert algorithm.targets[modulator] == (carrier,)
    assert laws.FULL_INDEX * laws.amplitude(voice.operators[modulator].output_level) == pytest.approx(3.0, rel=0.045)
    assert not any("dropped" in line for line in report)


def test_a_carrier_that_modulates_is_copied():
    voice, report = convert(fm(op2__level=0.5, op2__ratio=3.0, matrix__1__2=2.0))
    assert sum(op.output_level > 0 for op in voice.operators) == 3
    assert any(line.startswith("operator 2 copied to") for line in report)
    assert not any("dropped" in line for line in report)


def test_a_chain_of_four_keeps_its_order():
    voice, _ = convert(
        fm(matrix__1__2=2.0, matrix__2__3=2.0, matrix__3__4=2.0, op2__ratio=2.0, op3__ratio=3.0, op4__ratio=5.0)
    )
    algorithm = ALGORITHMS[voice.algorithm]
    at = next(c for c in algorithm.carriers if voice.operators[c].output_level)
    ratios = [_ratio(voice.operators[at])]
    while found := [m for m in algorithm.modulators(at) if voice.operators[m].output_level]:
        (at,) = found
        ratios.append(_ratio(voice.operators[at]))
    assert np.array(ratios) / ratios[0] == pytest.approx([1, 2, 3, 5])


def _ratio(operator):
    return (operator.coarse or 0.5) * (1 + operator.fine / 100)


@pytest.mark.parametrize("operators", [1, 3, 6])
def test_independent_carriers_all_sound(operators):
    parameters = {f"op{i}__level": 0.4 for i in range(1, operators + 1)}
    voice, report = convert(fm(operators, **parameters))
    carriers = ALGORITHMS[voice.algorithm].carriers
    assert sum(voice.operators[c].output_level == 99 for c in carriers) == operators
    assert not any("dropped" in line for line in report)


def test_six_parallel_modulators_lose_the_weakest_and_say_so():
    parameters = {f"matrix__1__{i}": 2.0 for i in range(2, 6)} | {"matrix__1__6": 0.3}
    _, report = convert(fm(6, **parameters))
    dropped = [line for line in report if "dropped" in line]
    assert any("matrix.1.6, 0.30 rad" in line for line in dropped)
    assert len(dropped) == 2  # three of five fit under one carrier


@pytest.mark.parametrize(("index", "expected"), [(1.2, 7), (0.4, 5), (0.1, 3)])
def test_feedback_of_a_full_carrier(index, expected):
    """Only algorithm 32 feeds back a carrier."""
    voice = convert(fm(matrix__1__1=index))[0]
    assert (voice.algorithm + 1, voice.feedback) == (32, expected)


def test_noise_and_reverb_are_reported_with_their_amounts():
    report = export(fm(noise__level=0.25, reverb__send=0.125))[1]
    assert "noise (level 0.25) dropped: the DX7 has none" in report
    assert any(line.startswith("reverb (send 0.12) dropped") for line in report)


def test_silence_is_said():
    message, report = export(fm(op1__level=0.0))
    assert all(op.output_level == 0 for op in parse_voice(message).operators)
    assert report == ["no operator reaches the output: the voice is silent"]


def test_worth_is_energy_in_sidebands():
    assert worth(0.0) == pytest.approx(0.0, abs=1e-12)
    assert worth(1.0) == pytest.approx(1 - 0.7651976866**2, abs=1e-9)
    assert 0.94 < worth(2.0) < worth(5.0) < worth(12.0) < 1.0


def test_shared_modulator_is_found():
    """Two carriers under one modulator: three operators are enough, and none is copied."""
    matrix = np.zeros((3, 3))
    matrix[0, 2] = matrix[1, 2] = 1.5
    found = route(Wish(matrix, np.ones((3, 3)), np.array([0.5, 0.5, 0.0]), np.array([1.0, 1.0, 0.0])), DX7)
    assert len(found.slots) == 3
    assert found.score == pytest.approx(1.0, abs=1e-4)


def test_a_shared_index_is_reported():
    """Five carriers under one modulator: algorithm 24 modulates three of them, all alike."""
    parameters = {f"op{i}__level": 0.4 for i in range(1, 6)} | {f"matrix__{i}__6": 1.0 for i in range(1, 6)}
    parameters["matrix__3__6"] = 1.6
    voice, report = convert(fm(6, **parameters))
    assert voice.algorithm + 1 == 24
    assert "matrix.3.6: 1.60 rad became 1.00, as OP6 serves several carriers" in report
    assert sum("no place" in line for line in report) == 2


@pytest.mark.parametrize("decay", [0.02, 0.1, 0.5, 2.0, 8.0])
@pytest.mark.parametrize("sustain", [0.0, 0.03, 0.4, 0.9, 1.0])
def test_decay_follows_ours(decay, sustain):
    assert fit_envelope(Shape(0.005, decay, sustain, 0.3), 99).decay_db < 1.0


@pytest.mark.parametrize(("semitones", "start"), [(0.0, 0.0), (0.1, 0.0), (24.0, 22.0), (-24.0, -22.0)])
def test_slow_sweeps_start_near_ours(semitones, start):
    fit = fit_sweep(semitones, 1.0)
    assert fit.start == pytest.approx(start, abs=2.5)
    assert fit.error < 1.0


def test_velocity_sensitivity_grows_with_amount():
    found = [velocity_sensitivity(a) for a in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] >= 4


@pytest.mark.parametrize(
    ("name", "shown"), [("Böse Glocke", "Bose Glock"), ("🔔", "SDS BRIDGE"), ("", "SDS BRIDGE"), ("a\nb", "ab")]
)
def test_names(name, shown):
    assert dx7_name(name) == shown


def test_wrong_patches_are_refused(tmp_path):
    modal = Patch(synth="modal", parameters={"pitch": 300.0})
    with pytest.raises(FormatError, match="takes patches of dx7 and fm; this one is modal"):
        catalog.write(modal, "dx7", tmp_path / "a.syx")
    with pytest.raises(FormatError, match="opm takes patches of fm; this one is modal"):
        catalog.write(modal, "opm", tmp_path / "a.opm")
    with pytest.raises(FormatError, match="'adv' is unknown; there are: dx7, opm, faust"):
        catalog.write(fm(), "adv", tmp_path / "a.adv")
    with pytest.raises(FormatError, match="9 operators; allowed is 1 to 8"):
        export(fm(9))
    with pytest.raises(PatchError, match=r"op1\.ratio"):
        export(fm(op1__ratio=40.0))
    assert list(tmp_path.iterdir()) == []


def test_written_files_are_whole(tmp_path):
    path = tmp_path / "voice.syx"
    path.write_bytes(b"old")
    report = catalog.write(fm(), "dx7", path)
    assert (path.read_bytes(), report) == export(fm())
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FormatError, match="can't be written"):
        catalog.write(fm(), "dx7", tmp_path / "missing" / "voice.syx")
