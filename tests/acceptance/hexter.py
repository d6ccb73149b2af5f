"""hexter, Sean Bolton's DX7, as Debian packs it: a DSSI plug-in, hosted here by ctypes for one note at a time.

Its bank is set by ``configure("patches0", …)`` in hexter's own text form: the length, seven bits of each byte in six-bit
characters, and the sum of the bytes.
"""

from __future__ import annotations

import ctypes as c
from pathlib import Path

import numpy as np

LIBRARY = Path("/usr/lib/dssi/hexter.so")
NOTE_ON, NOTE_OFF = 6, 7
INPUT, CONTROL = 1, 4
BLOCK = 64
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

_Handle, _Floats = c.c_void_p, c.POINTER(c.c_float)


class _Event(c.Structure):
    """snd_seq_event_t of a note; ``tick`` is the sample in the block."""

    _fields_ = (
        [(n, c.c_uint8) for n in ("type", "flags", "tag", "queue")]
        + [("tick", c.c_uint32), ("unused", c.c_uint32), ("addresses", c.c_uint8 * 4)]
        + [(n, c.c_uint8) for n in ("channel", "note", "velocity", "off_velocity")]
        + [("duration", c.c_uint32), ("rest", c.c_uint32)]
    )


class _Ladspa(c.Structure):
    _fields_ = (
        ("id", c.c_ulong),
        ("label", c.c_char_p),
        ("properties", c.c_int),
        ("name", c.c_char_p),
        ("maker", c.c_char_p),
        ("copyright", c.c_char_p),
        ("ports", c.c_ulong),
        ("kinds", c.POINTER(c.c_int)),
        ("port_names", c.POINTER(c.c_char_p)),
        ("hints", c.c_void_p),
        ("data", c.c_void_p),
        ("instantiate", c.CFUNCTYPE(_Handle, c.c_void_p, c.c_ulong)),
        ("connect_port", c.CFUNCTYPE(None, _Handle, c.c_ulong, _Floats)),
        ("activate", c.CFUNCTYPE(None, _Handle)),
        ("run", c.c_void_p),
        ("run_adding", c.c_void_p),
        ("set_run_adding_gain", c.c_void_p),
        ("deactivate", c.c_void_p),
        ("cleanup", c.CFUNCTYPE(None, _Handle)),
    )


class _Dssi(c.Structure):
    _fields_ = (
        ("version", c.c_int),
        ("ladspa", c.POINTER(_Ladspa)),
        ("configure", c.CFUNCTYPE(c.c_void_p, _Handle, c.c_char_p, c.c_char_p)),
        ("get_program", c.c_void_p),
        ("select_program", c.CFUNCTYPE(None, _Handle, c.c_ulong, c.c_ulong)),
        ("get_midi_controller_for_port", c.c_void_p),
        ("run_synth", c.CFUNCTYPE(None, _Handle, c.c_ulong, c.POINTER(_Event), c.c_ulong)),
    )


def _text(data: bytes) -> bytes:
    bits = "".join(f"{byte & 0x7F:07b}" for byte in data)
    bits += "0" * (-len(bits) % 6)
    digits = "".join(_DIGITS[int(bits[i : i + 6], 2)] for i in range(0, len(bits), 6))
    return f"{len(data)} {digits} {sum(data)}".encode()


def play(packed: bytes, note: int, velocity: int, hold: float, seconds: float, rate: int) -> np.ndarray:
    """A voice of 128 bytes, as banks hold it → mono ``[seconds · rate]``; the key goes up at a block of 64."""
    find = c.CDLL(str(LIBRARY)).dssi_descriptor
    find.restype, find.argtypes = c.POINTER(_Dssi), [c.c_ulong]
    dssi = find(0).contents
    ladspa = dssi.ladspa.contents
    instance = ladspa.instantiate(dssi.ladspa, rate)
    sound = np.zeros(-(-round(seconds * rate) // BLOCK) * BLOCK, np.float32)
    controls = {}
    out = 0
    for port in range(ladspa.ports):
        if ladspa.kinds[port] & CONTROL:
            # concert pitch in Hz, and volume in dB
            controls[port] = c.c_float(440.0 if b"uning" in ladspa.port_names[port] else 0.0)
            ladspa.connect_port(instance, port, c.byref(controls[port]))
        elif not ladspa.kinds[port] & INPUT:
            out = port
    refused = dssi.configure(instance, b"patches0", _text(packed * 32))
    assert not refused, c.string_at(refused)
    ladspa.activate(instance)
    dssi.select_program(instance, 0, 0)
    key_up = -(-round(hold * rate) // BLOCK) * BLOCK
    for start in range(0, len(sound), BLOCK):
        ladspa.connect_port(instance, out, sound[start:].ctypes.data_as(_Floats))
        kind = NOTE_ON if start == 0 else NOTE_OFF
        event = _Event(type=kind, note=note, velocity=velocity if kind == NOTE_ON else 64)
        dssi.run_synth(instance, BLOCK, c.byref(event), 1 if start in (0, key_up) else 0)
    ladspa.cleanup(instance)
    return sound[: round(seconds * rate)]
