"""Real plug-ins in a child process: presets, timing, latency, and what a bad plug-in can't do to us."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from hosted import RATE, STRIKE, fresh, sound, vst3

from sds_bridge.errors import PluginError
from sds_bridge.evaluation.metrics import spectrogram_correlation
from sds_bridge.host import mapping, plugin
from sds_bridge.host.effects import PIECE, built_in_effects
from sds_bridge.host.learn import differences, learn, to_toml
from sds_bridge.host.process import PluginProcess
from sds_bridge.host.spec import load_spec, spec_files
from sds_bridge.patch import Patch

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def fm6():
    process, loaded = fresh("FM6")
    yield loaded
    process.close()


def test_a_preset_sounds_bit_identical_in_a_new_process(fm6, tmp_path):
    before = fm6.values()
    fm6.set({"op1_ratio": 3 / 31, "op2_level": 0.6, "op3_level": 0.5, "feedback": 0.3})
    wanted = sound(fm6)
    path = fm6.save_preset(tmp_path / "x.vstpreset")
    state = fm6.state()
    fm6.set(before)
    assert not np.array_equal(sound(fm6), wanted)
    process, other = fresh("FM6")
    with process:
        other.load_preset(path)
        assert np.array_equal(sound(other), wanted)
        assert other.values() == pytest.approx(
            {**before, "op1_ratio": 3 / 31, "op2_level": 0.6, "op3_level": 0.5, "feedback": 0.3}
        )
        other.set(before)
        other.set_state(state)
        assert np.array_equal(sound(other), wanted)
        with pytest.raises(PluginError, match="no such file"):
            other.load_preset(tmp_path / "none.vstpreset")
        (tmp_path / "garbage.vstpreset").write_bytes(b"garbage" * 99)
        with pytest.raises(PluginError, match=r"garbage\.vstpreset"):
            other.load_preset(tmp_path / "garbage.vstpreset")
        assert np.array_equal(sound(other), wanted)


def test_a_preset_holds_what_was_set_before_any_sound(tmp_path):
    process, loaded = fresh("FM6")
    with process:
        loaded.set({"op2_level": 0.7})
        path = loaded.save_preset(tmp_path / "x.vstpreset")
        wanted = sound(loaded)
    process, other = fresh("FM6")
    with process:
        default = sound(other)
        other.load_preset(path)
        assert np.array_equal(sound(other), wanted) and not np.array_equal(wanted, default)


def test_an_independent_reader_opens_the_preset(fm6, tmp_path):
    minihost = pytest.importorskip("minihost", reason="minihost isn't installed: pip install minihost")
    path = fm6.save_preset(tmp_path / "x.vstpreset")
    found = minihost.read_vstpreset(str(path))
    assert found.component_state


@pytest.mark.parametrize("at", [0, 1, 511, 512, 4_801, 40_000])
def test_notes_begin_on_their_sample(fm6, at):
    heard = sound(fm6, [((at + 0.5) / RATE, bytes([0x90, 69, 127]))])
    # a sine that starts at phase 0: its first sample is 0
    assert np.flatnonzero(heard[0])[0] == at + 1


def test_renders_repeat_and_do_not_depend_on_the_block(fm6):
    first = sound(fm6)
    assert first.shape == (2, RATE) and np.abs(first).max() > 0.01
    for block in (64, 512, 8192):
        assert np.array_equal(sound(fm6, block=block), first)


def test_latencies_are_compensated(fm6):
    wanted = sound(fm6)
    process, late = fresh("FM6Late")
    with process:
        assert late.identity.latency == 300
        assert np.array_equal(sound(late), wanted)
        effect = plugin.load(process, vst3("Late"))
        assert effect.identity.latency == 1000
        assert np.array_equal(sound(late, chain=[effect]), wanted)
        assert np.array_equal(plugin.process_sound([effect], wanted, RATE), wanted)


@pytest.mark.parametrize("block", [512, 1000])
def test_an_effect_gives_what_pedalboard_gives(block):
    """In pieces or not: of a length that no piece and no block divides, and those with latency among them."""
    import pedalboard

    clip = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3 * PIECE + 1234)).astype(np.float32)
    clip[:, PIECE : PIECE + 9000] = 0
    with PluginProcess() as process:
        for name in sorted(set(built_in_effects()) - {"Convolution", "IIRFilter", "MP3Compressor"}):
            kind = getattr(pedalboard, name)
            wanted = kind()(clip, RATE, buffer_size=block)
            effect = plugin.built_in(process, name, {})
            heard = plugin.process_sound([effect], clip, RATE, block=block)
            # whether denormals count is the thread's setting, and pytest's may be another than the child's
            assert np.abs(heard - wanted).max() < 1e-30, name


def test_a_synth_with_one_channel_plays_on_two_sides():
    process, nekobi = fresh("Nekobi")
    with process:
        heard = sound(nekobi)
        assert np.array_equal(heard[0], heard[1]) and np.abs(heard).max() > 0.01
    # a second render in one instance differs: its oscillator runs on
    process, again = fresh("Nekobi")
    with process:
        assert np.array_equal(sound(again), heard)


def test_an_fm_patch_sounds_as_on_our_synth(fm6):
    import torch

    from sds_bridge.synths.catalog import make_synth

    values = {
        "op1.level": 0.7,
        "op1.ratio": 1.0,
        "op1.sustain": 0.5,
        "matrix.1.2": 2.5,
        "op2.ratio": 3.5,
        "op2.decay": 0.4,
    }
    patch = Patch(synth="fm", note=60, parameters={**values, "op3.level": 0.2, "op3.ratio": 4.0})
    positions, lost = mapping.positions(patch, load_spec(spec_files()["fm6"]))
    assert lost == []
    before = fm6.values()
    fm6.set(positions)
    theirs = sound(fm6, [(0.0, STRIKE[0][1]), (0.4, STRIKE[1][1])])
    fm6.set(before)
    synth = make_synth("fm", {})
    with torch.inference_mode():
        options = {"note": 60, "velocity": 100, "seconds": 1.0, "hold": 0.4, "rate": RATE}
        ours = synth.render(synth.values_from(patch), reference_note=60, **options)[0].numpy()
    assert spectrogram_correlation(ours.mean(0), theirs.mean(0)) > 0.98
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.05)


def test_what_a_plug_in_lacks_is_reported():
    patch = Patch(synth="fm", parameters={"op1.ratio": 0.5, "noise.level": 0.4, "matrix.2.1": 1.0})
    _, lost = mapping.positions(patch, load_spec(spec_files()["fm6"]))
    assert lost == ["matrix.2.1 is not on FM6", "noise.level is not on FM6"]


@pytest.mark.parametrize("name", ["FM6", "Nekobi"])
def test_the_spec_agrees_with_the_plug_in(name, tmp_path):
    process, loaded = fresh(name)
    with process:
        assert differences(load_spec(spec_files()[name.lower()]), loaded.identity, loaded.parameters) == []
        learnt = tmp_path / "learnt.toml"
        learnt.write_text(to_toml(learn(loaded, f"{name}.vst3")))
        assert differences(load_spec(learnt), loaded.identity, loaded.parameters) == []
        assert not load_spec(learnt).verified


def test_a_crash_is_one_line():
    path = vst3("CrashAtLoad")
    with PluginProcess(20) as process, pytest.raises(PluginError, match=r"loading: .*signal 11 \(SIGSEGV\)") as caught:
        plugin.load(process, path)
    assert caught.value.fatal and "\n" not in str(caught.value)
    with PluginProcess(20) as process:
        loaded = plugin.load(process, vst3("CrashInRender"), wake=0)
        with pytest.raises(PluginError, match=r"rendering: .*signal 11"):
            sound(loaded)
        with pytest.raises(PluginError, match="signal 11"):
            sound(loaded)


def test_a_hang_is_ended_at_its_limit():
    with PluginProcess(20) as process:
        loaded = plugin.load(process, vst3("HangInRender"), wake=0)
        began = time.monotonic()
        with pytest.raises(PluginError, match=r"rendering: no answer within 1.5 s") as caught:
            sound(loaded, limit=1.5)
        assert time.monotonic() - began < 3 and caught.value.fatal
        assert not process.alive


def test_a_hung_child_ends_even_when_its_host_is_gone(tmp_path):
    import subprocess
    import sys

    bundle = vst3("HangInRender")
    code = f"""
import os, sds_bridge.host.child as child
child.ALARM_SECONDS = 0.5
from sds_bridge.host import plugin, process
p = process.PluginProcess()
print(p._process.pid, flush=True)
loaded = plugin.load(p, {str(bundle)!r}, wake=0)
import threading; threading.Timer(0.5, lambda: os._exit(0)).start()
plugin.play(loaded, {STRIKE!r}, 48000, 48000, limit=1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child still runs")


def test_a_text_file_is_no_plug_in(tmp_path):
    text = tmp_path / "text.vst3"
    text.write_text("hello")
    with PluginProcess(20) as process:
        with pytest.raises(PluginError, match=r"text\.vst3: loading"):
            plugin.load(process, text)
        with pytest.raises(PluginError, match="no such file"):
            plugin.load(process, tmp_path / "none.vst3")
        # the child goes on
        assert np.abs(sound(plugin.load(process, vst3("FM6")))).max() > 0


def test_bad_values_are_refused(fm6):
    with pytest.raises(PluginError, match="positions from 0 to 1"):
        fm6.set({"gain": 1.5})
    with pytest.raises(PluginError, match="no parameter 'loudness'"):
        fm6.set({"loudness": 0.5})
    with pytest.raises(PluginError, match="none of pedalboard's effects"):
        plugin.built_in(fm6.process, "Warp", {})
    with pytest.raises(PluginError, match="it takes room_size"):
        plugin.built_in(fm6.process, "Reverb", {"size": 1})
