"""SuperCollider texts: names that are symbols, nothing unbalanced, what is dropped is said."""

import numpy as np
import pytest

from sds_bridge.formats.supercollider import export_fm, export_modal, symbol_of
from sds_bridge.patch import Patch
from sds_bridge.synths.declarations import declared


def random_patch(synth: str, seed: int, name: str = "x") -> Patch:
    random = np.random.default_rng(seed)
    settings = {"fm": {"operators": 1 + seed}, "modal": {"modes": 1 + seed}}[synth]
    parameters = {}
    for p in declared(synth, settings):
        values = [float(p.to_value(position)) for position in random.random(p.size)]
        parameters[p.name] = values if p.size > 1 else values[0]
    return Patch(synth=synth, name=name, settings=settings, parameters=parameters)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("Kick Drum!", r"\kick_drum"), ("808", r"\patch_808"), ("", r"\patch"), ('Ä \\ "}', r"\patch"), ("a  b", r"\a_b")],
)
def test_a_name_becomes_a_symbol(name, symbol):
    assert symbol_of(Patch(synth="fm", name=name, parameters={"gain": 1.0})) == symbol


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("synth", "export"), [("fm", export_fm), ("modal", export_modal)])
def test_texts_are_whole_and_the_same_again(synth, export, seed):
    patch = random_patch(synth, seed)
    text, report = export(patch)
    assert (text, report) == export(patch)
    for opening, closing in ("()", "[]", "{}"):
        assert text.count(opening) == text.count(closing)
    assert "nan" not in text
    assert any(line.startswith("room") for line in report)


def test_silence_is_said():
    text, report = export_fm(Patch(synth="fm", parameters={"op1.level": 0.0}))
    assert report == ["no operator reaches the output: only noise sounds"]
    assert "Silent.ar" in text
