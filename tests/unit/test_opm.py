"""FM patches as YM2151 voices: what goes where, what is said about it, and the text itself."""

import pytest

from sds_bridge.errors import FormatError, PatchError
from sds_bridge.formats import opm_laws as laws
from sds_bridge.formats.opm import export, nearest_feedback, total_level
from sds_bridge.formats.opm_voice import Operator, Voice, read, write
from sds_bridge.patch import Patch

TEXT = """\
//MiOPMdrv sound bank Paramer Ver2002.04.22
@:3 Lead  one
LFO: 0 0 0 0 0
CH: 64 6 2 0 0 120 0
M1: 31 18 0 15 15 24 0 15 3 0 0
C1: 31 17 10 15 0 18 0 1 3 0 0
M2: 31 14 7 15 1 18 0 1 3 0 0
C2: 31 0 9 15 0 18 0 1 3 1 128
"""


def fm(operators: int = 4, **parameters: float) -> Patch:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return Patch(synth="fm", settings={"operators": operators}, parameters={"op1.level": 0.5, **named})


def test_a_voice_is_read():
    voice = read(TEXT)
    assert (voice.name, voice.connection, voice.feedback, voice.slots) == ("Lead  one", 2, 6, 15)
    assert voice.operators[0] == Operator(31, 18, 0, 15, 15, 24, 0, 15, 3, 0, 0)
    assert voice.operators[3].dt2 == 1


def test_what_is_written_is_read():
    voice = Voice("x", 5, 3, tuple(Operator(ar=k, tl=10 * k) for k in range(4)), 7)
    assert read(write(voice)) == voice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no voice"),
        ("garbage\n" * 99, "no voice"),
        (TEXT.replace("C2:", "C3:"), "no line C2:"),
        (TEXT.replace(" 24 ", " 128 "), "takes 11 numbers"),
        (TEXT.replace("M2: 31", "M2:"), "takes 11 numbers"),
        (TEXT.replace("CH: 64 6 2", "CH: 64 6 8"), "CH: 64 6 8"),
        (TEXT[: TEXT.index("M2")], "no line M2:"),
    ],
)
def test_broken_texts_are_refused_in_one_line(text, message):
    with pytest.raises(FormatError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_chain_of_four_keeps_its_order():
    text, report = export(
        fm(matrix__1__2=2.0, matrix__2__3=2.0, matrix__3__4=2.0, op2__ratio=2.0, op3__ratio=3.0, op4__ratio=5.0)
    )
    voice = read(text)
    assert voice.connection == 0
    assert [o.mul for o in voice.operators] == [5, 3, 2, 1]
    assert not any("dropped" in line for line in report)


def test_four_carriers_all_sound():
    voice = read(export(fm(**{f"op{i}__level": 0.4 for i in range(1, 5)}))[0])
    assert voice.connection == 7
    assert all(o.tl == 0 for o in voice.operators)


def test_index_becomes_a_level():
    voice = read(export(fm(matrix__1__2=3.0, op2__ratio=2.0))[0])
    modulator = next(o for o in voice.operators if o.mul == 2)
    assert laws.FULL_INDEX * 10 ** (-laws.TL_DB * modulator.tl / 20) == pytest.approx(3.0, rel=0.045)


def test_what_the_chip_cannot_hold_is_said():
    report = export(
        fm(
            5,
            noise__level=0.2,
            reverb__send=0.1,
            pitch__sweep=12.0,
            op1__ratio=1.2,
            **{f"op{i}__level": 0.4 for i in range(2, 6)},
        )
    )[1]
    for words in ("noise (level 0.2)", "room (send 0.1)", "pitch sweep of +12.0", "own sound", "cents"):
        assert any(words in line for line in report), words


def test_silence_is_said():
    assert export(fm(op1__level=0.0))[1] == ["no operator reaches the output: the voice is silent"]


def test_same_patch_same_text():
    assert export(fm(matrix__1__2=1.0)) == export(fm(matrix__1__2=1.0))


def test_a_value_out_of_range_is_refused():
    with pytest.raises(PatchError, match=r"op1\.ratio"):
        export(fm(op1__ratio=99.0))


@pytest.mark.parametrize(("amplitude", "level"), [(1.0, 0), (0.5, 8), (0.0, 127), (1e-9, 127)])
def test_total_level(amplitude, level):
    assert total_level(amplitude) == level


def test_feedback_is_the_nearest_octave():
    assert [nearest_feedback(laws.feedback_index(level)) for level in range(1, 8)] == list(range(1, 8))
