"""Captions: the words that the starter knows, and how short captions are varied in training."""

from __future__ import annotations

import re

import numpy as np

# Each class (or word within captions) → phrases that users say for the same sound.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "kick drum": ("kick", "bass drum", "kick drum, bass", "deep kick", "punchy kick drum", "kickdrum"),
    "tr 808": ("808", "tr808", "drum machine"),
    "snare drum": ("snare", "snare hit", "crisp snare drum", "snare drum hit"),
    "open hi-hat": ("open hihat", "hihat open", "open hat"),
    "closed hi-hat": ("closed hihat", "hihat", "hi hat", "closed hat", "tight hihat"),
    "pedal hi-hat": ("pedal hihat", "foot hihat"),
    "ride cymbal": ("ride", "cymbal"),
    "crash cymbal": ("crash", "cymbal crash", "cymbal"),
    "tom": ("tom drum", "tom tom", "floor tom"),
    "clap": ("hand clap", "handclap", "claps"),
    "saxophone": ("sax", "saxophones", "sax solo", "jazz sax"),
    "bass guitar": ("electric bass", "bass", "bass line"),
    "double bass": ("contrabass", "bowed bass"),
    "upright bass": ("acoustic bass", "jazz bass"),
    "synth bass": ("bass synth", "synthesizer bass", "analog bass"),
    "synth lead": ("lead synth", "synthesizer lead", "lead"),
    "synth pad": ("pad", "synthesizer pad", "ambient pad", "warm pad"),
    "synth brass": ("brass synth",),
    "electric piano": ("e piano", "rhodes", "epiano"),
    "piano": ("grand piano", "piano key", "pianoforte"),
    "acoustic guitar": ("guitar", "nylon guitar", "guitar pluck"),
    "electric guitar": ("guitar", "clean guitar"),
    "distorted guitar": ("distortion guitar", "overdriven guitar", "heavy guitar"),
    "guitar strum": ("strummed guitar", "guitar chord"),
    "string ensemble": ("strings", "string section", "orchestra strings"),
    "violin": ("fiddle", "bowed violin"),
    "voice": ("human voice", "vocal", "singing"),
    "choir": ("chorus", "voices", "choir singing"),
    "flute": ("concert flute",),
    "french horn": ("horn",),
    "brass section": ("brass", "horns"),
    "church organ": ("pipe organ",),
    "organ": ("hammond organ", "electric organ"),
    "harmonica": ("mouth organ", "blues harp"),
    "vibraphone": ("vibes",),
    "glockenspiel": ("glock", "orchestra bells"),
    "tubular bells": ("chimes", "tubular bell"),
    "kalimba": ("thumb piano", "mbira"),
    "steel drums": ("steel drum", "steelpan"),
    "timpani": ("kettle drum", "timpani roll"),
    "taiko drum": ("taiko", "big drum"),
    "wood block": ("woodblock", "temple block"),
    "cowbell": ("cow bell",),
    "bell": ("bell ringing", "bell strike", "ding"),
    "pot hit": (
        "hitting a pot with a wooden spoon",
        "pot and wooden spoon",
        "hitting pan with spoon",
        "cooking pot strike",
        "banging a pot",
    ),
    "metal hit": ("metal impact", "metal strike", "hitting metal", "metal clang"),
    "wood hit": ("wood impact", "wood knock", "hitting wood", "knocking"),
    "stone hit": ("stone impact", "rock hit", "hitting stone"),
    "glass hit": ("glass clink", "hitting glass", "glass impact"),
    "glass break": ("breaking glass", "glass shatter", "shattering glass"),
    "footsteps": ("steps", "walking", "footstep"),
    "rain": ("rainfall", "heavy rain", "raining"),
    "river": ("stream", "running water", "flowing water", "water"),
    "waterfall": ("falling water", "rushing water"),
    "waves": ("ocean waves", "sea", "surf", "ocean"),
    "wind": ("wind blowing", "howling wind", "breeze", "gust of wind"),
    "thunder": ("thunderclap", "thunderstorm", "storm"),
    "fire": ("fire crackling", "flames", "burning"),
    "explosion": ("blast", "boom", "bomb"),
    "gunshot": ("gun shot", "shot", "gun"),
    "whoosh": ("swish", "swoosh"),
    "traffic": ("cars", "street", "cars passing by", "traffic noise", "road", "city traffic", "highway", "road noise"),
    "car engine": ("engine", "car", "motor", "engine running", "engine idling"),
    "truck": ("lorry", "diesel engine"),
    "car horn": ("horn honking", "car honk"),
    "siren": ("police siren", "ambulance siren", "emergency siren"),
    "alarm": ("alarm beeping", "alarm clock", "warning alarm", "beeping"),
    "hum": ("mains hum", "electric hum", "humming"),
    "beep": ("bleep", "tone", "sine tone"),
    "click": ("clicking", "tick"),
    "dog": ("dog barking", "bark"),
    "birds": ("birdsong", "bird", "birds singing", "chirping birds"),
    "crowd": ("crowd cheering", "audience"),
    "people talking": ("people", "chatter", "crowd talking", "speech", "talking"),
    "machine": ("machinery", "factory", "mechanical noise"),
    "airplane": ("plane", "aircraft", "jet"),
    "train": ("locomotive", "steam train", "railway"),
    "static": ("white noise", "noise", "hiss"),
    "grunt": ("man grunting", "grunting", "human grunt"),
    "sword": ("sword clash", "swords", "blade"),
    "drum beat": ("drum loop", "drums", "beat", "drum groove"),
    "fm bell": ("bell", "dx7 bell", "metallic bell"),
    "fm bass": ("bass", "dx7 bass", "synth bass"),
    "pluck": ("synth pluck", "plucked synth"),
    "zap": ("laser", "laser zap", "pew"),
    "riser": ("sweep up", "rising sweep", "uplifter"),
    "bubbles": ("bubbling", "bubble"),
    "electronic drum": ("electronic tom", "synth drum"),
}
ROOMS = ("reverb", "with reverb", "room reverb", "with room reverb", "in a hall", "echo")
STOP_WORDS = frozenset("a an the of with and in on at by to for from some very sound sounds is".split())
MAX_WORDS = 14


def words(text: str) -> list[str]:
    """Lower-case words of a prompt; punctuation and hyphens separate words."""
    return re.findall(r"[a-z0-9]+", text.lower())


def vary(caption: str, label: str, extra: tuple[str, ...], rng: np.random.Generator) -> str:
    """A random variation of a caption: a synonym for it, its parts in another order, words dropped.

    Args:
        extra: measured attributes that are true of the clip ("bright", "short", "with reverb").
    """
    text = caption.replace("-", " ")
    draw = rng.random()
    phrases = SYNONYMS.get(label, ())
    if phrases and draw < 0.4:
        text = str(rng.choice(phrases))
    elif draw < 0.6:
        text = label.replace("-", " ")
    for adjective in extra:
        if rng.random() < 0.5:
            text = f"{adjective} {text}" if " " not in adjective and rng.random() < 0.7 else f"{text}, {adjective}"
    parts = text.split(",")
    if len(parts) > 1 and rng.random() < 0.5:
        rng.shuffle(parts)
    kept = words(",".join(parts))
    if rng.random() < 0.5:
        kept = [w for w in kept if w not in STOP_WORDS] or kept
    if len(kept) > 2 and rng.random() < 0.15:
        kept.pop(int(rng.integers(len(kept))))
    return " ".join(kept[:MAX_WORDS])


def vocabulary(captions: list[str], attributes: tuple[str, ...]) -> list[str]:
    """Every word that :func:`vary` can give for these captions, sorted."""
    texts = [*captions, *SYNONYMS, *attributes, *ROOMS]
    texts += [phrase for phrases in SYNONYMS.values() for phrase in phrases]
    return sorted({w for text in texts for w in words(text)} | STOP_WORDS)
