"""Model card, attribution and class table of the starter's weights, from the data that made them."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

from sds_bridge.starter import procedural

# The packages' authors as their debian/copyright files name the projects.
SOURCES = {
    "fluid-soundfont-gm": "Fluid (R3) General MIDI SoundFont, Frank Wen and contributors",
    "musescore-general-soundfont-lossless": "MuseScore_General, S. Christian Collins, based on FluidR3 by Frank Wen",
    "0ad-data": "0 A.D., Wildfire Games and contributors",
    "megaglest-data": "MegaGlest, the MegaGlest Team and The Glest Team",
    "openclonk-data": "OpenClonk, the OpenClonk Team and contributors (authors.txt)",
    "redeclipse-data": "Red Eclipse, the Red Eclipse Team and contributors",
    "hydrogen-drumkits-effects": "Hydrogen drumkits: effects, their named authors",
    "hydrogen-drumkits": "Hydrogen drumkits, their named authors",
    "supertuxkart-data": "SuperTuxKart, the SuperTuxKart Team and contributors",
    "lugaru-data": "Lugaru, Wolfire Games and contributors",
    "openttd-opensfx": "OpenSFX, the OpenTTD OpenSFX Team and contributors",
    "procedural": "SDS Bridge's own modal pot hits",
}


def read_rows(corpus: Path) -> list[dict[str, str]]:
    with open(corpus / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def classes(rows: list[dict[str, str]], procedural_per_class: int = 24) -> dict[str, int]:
    """Clips a class, recorded and procedural."""
    counts = Counter(row["class"] for row in rows)
    for sound in procedural.SOUNDS:
        counts[sound.label] += procedural_per_class
    return dict(sorted(counts.items()))


def attribution(rows: list[dict[str, str]]) -> str:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[row["package"]][row["licence"]] += 1
    lines = [
        "# Attribution",
        "",
        "The weights in this folder were trained on sounds from these Debian packages and on sounds made by",
        "`sds_bridge/starter/procedural.py` (CC0). The weights are shared under CC BY-SA 4.0.",
        "",
        "| package | work and authors | clips | licence |",
        "|---|---|---|---|",
    ]
    for package, licences in sorted(found.items()):
        text = ", ".join(f"{name} ({count})" for name, count in licences.most_common())
        lines.append(f"| {package} | {SOURCES.get(package, package)} | {sum(licences.values())} | {text} |")
    return "\n".join(lines) + "\n"


def curve(work: Path, name: str) -> list[tuple[int, float]]:
    """(step, loss) of a run's log; empty when it isn't there."""
    path = work / name
    if not path.exists():
        return []
    return [(int(line.split(",")[0]), float(line.split(",")[1])) for line in path.read_text().split()]


def write(corpus: Path, work: Path, output: Path) -> None:
    """``README.md``, ``ATTRIBUTION.md`` and ``classes.json`` in ``output``.

    Figures of quality come from ``evaluation.json`` there, which ``sds_bridge.starter.evaluate`` writes; what
    has not been measured is said to be so.
    """
    rows = read_rows(corpus)
    counts = classes(rows)
    (output / "classes.json").write_text(json.dumps(counts, indent=0) + "\n")
    (output / "ATTRIBUTION.md").write_text(attribution(rows))
    measured = json.loads((output / "evaluation.json").read_text()) if (output / "evaluation.json").exists() else {}
    history = json.loads((output / "training.json").read_text()) if (output / "training.json").exists() else {}
    for key, name in (("diffusion", "losses.csv"), ("judge", "judge-losses.csv")):
        if points := curve(work, name):
            tail = points[-20:]
            earlier = history.get(key, {})
            went_on = "first_loss" in earlier and points[0][0] > 50  # a run of its own logs its first 50 steps first
            history[key] = {
                "steps": points[-1][0],
                "first_loss": earlier["first_loss"] if went_on else points[0][1],
                "last_loss": sum(p[1] for p in tail) / len(tail),
            }
    (output / "training.json").write_text(json.dumps(history, indent=1) + "\n")
    lines = [
        "---",
        "license: cc-by-sa-4.0",
        "library_name: diffusers",
        "pipeline_tag: text-to-audio",
        "---",
        "# SDS Bridge starter",
        "",
        "A text-to-audio diffusion model in the layout of Stable Audio Open, small enough for a CPU: mono 24 kHz,",
        "2.048 s windows, a training-free mel codec in the VAE's place, v-prediction, guidance by prompt dropout.",
        "`judge/` holds an audio–text contrastive model trained on the same clips, sharing no weights with it.",
        "",
        f"**Data.** {len(rows)} labelled clips of {len({r['class'] for r in rows})} classes (see ATTRIBUTION.md) and"
        f" {24 * len(procedural.SOUNDS)} procedural ones of {len(procedural.SOUNDS)} classes; 5 % are held out, fixed by a hash of the path.",
        "",
        "**Licence.** CC BY-SA 4.0.",
        "",
        "## Training",
        "",
        "| model | steps | first loss | last loss (mean of the last 1,000 steps) |",
        "|---|---|---|---|",
    ]
    for key, run in history.items():
        lines.append(f"| {key} | {run['steps']:,} | {run['first_loss']:.3f} | {run['last_loss']:.3f} |")
    lines += ["", "## Measured", ""]
    if measured:
        lines += [
            "`python -m sds_bridge.starter.evaluate CORPUS` on the clips held out:",
            "",
            "| what | value |",
            "|---|---|",
        ]
        lines += [f"| {name} | {value} |" for name, value in measured.items()]
    else:
        lines.append("Not measured yet: run `python -m sds_bridge.starter.evaluate CORPUS`.")
    lines += [
        "",
        "## What it can't do",
        "",
        "- Sounds outside its class list (`sds-bridge sample --list`), speech, songs, long structure; anything over 2 s.",
        "- Classes with fewer than about 20 clips (dog, glass break, car horn, helicopter, …) are weak.",
        "- Phase: the codec keeps none. A render or a mix gives it, Griffin–Lim otherwise, which smears attacks.",
        "- Labels came from file names and General MIDI programs; nobody listened to each, so some are wrong.",
        "- The judge shares its training data with the prior: it favours sounds like the corpus.",
    ]
    (output / "README.md").write_text("\n".join(lines) + "\n")
