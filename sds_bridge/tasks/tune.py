"""Text → tuned patch: Audio-SDS on a synth's parameters."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from sds_bridge import audio
from sds_bridge.distillation import timesteps, update
from sds_bridge.distillation.loop import Outcome, Tensors
from sds_bridge.distillation.optimise import Run, optimise
from sds_bridge.distillation.profiles import PROFILES, Settings, with_given
from sds_bridge.errors import DivergedError, InputError
from sds_bridge.evaluation.alignment import alignment
from sds_bridge.patch import Patch, write_text
from sds_bridge.priors import catalog
from sds_bridge.priors.base import Condition
from sds_bridge.synths.base import Synth
from sds_bridge.synths.catalog import make_synth
from sds_bridge.tasks.history import Recorder
from sds_bridge.tasks.picture import panels
from sds_bridge.tasks.provenance import note, record, unknown_word_warning
from sds_bridge.tasks.requests import Progress, Report, Result, ShouldStop, TuneRequest, stepwise
from sds_bridge.tasks.stage import FULL_SCALE, Stage, window_seconds
from sds_bridge.tasks.starting_point import Judge, best_start, best_step, found_before

PREVIEW_RATE = 44100


def sds_loss(
    stage: Stage,
    settings: Settings,
    prompt: Condition,
    without: Condition,
    step: int,
    positions: Tensors,
    generator: torch.Generator,
) -> torch.Tensor:
    """One Audio-SDS step: one render and one encoding, ``settings.batch`` draws of (t, ε)."""
    prior = stage.prior
    x = stage.for_prior(positions)
    with torch.set_grad_enabled(settings.update == "encoder"):
        latents = prior.encode(x)
    progress = step / max(1, settings.steps)
    t = timesteps.draw(settings.schedule, settings.batch, settings.low, settings.high, progress, generator)
    noise = torch.randn(settings.batch, *latents.shape[1:], generator=generator)
    if settings.update == "classifier":
        estimate = update.classifier_target(
            prior, latents, t, noise, prompt, without, settings.guidance, settings.reach
        )
    else:
        estimate = update.target(
            prior,
            latents.detach().expand(settings.batch, -1, -1),
            t,
            noise,
            prompt,
            without,
            settings.guidance,
            settings.denoising_steps,
            settings.rescale,
        )
    if settings.update == "encoder":
        return update.encoder_loss(latents, estimate, t, prior)
    with torch.no_grad():
        target = prior.decode(estimate, reference=x.detach().expand(len(estimate), -1, -1))
        # strong guidance overshoots at onsets; what is louder than full scale was never in the prior's data
        target = target * (FULL_SCALE / target.abs().amax((1, 2), keepdim=True).clamp(min=FULL_SCALE))
    if settings.update == "waveform":
        return update.waveform_loss(x, target)
    windows = update.WINDOWS if settings.update == "multiscale" else update.WINDOWS[1:2]
    return update.spectrogram_loss(x, target, windows, settings.log_weight, settings.focus)


def locked(synth: Synth, patterns: list[str]) -> frozenset[str]:
    """Names that the patterns (``op1.ratio``, ``op2.*``) match; raises InputError for one that matches nothing."""
    names = [p.name for p in synth.parameters]
    found: set[str] = set()
    for pattern in patterns:
        matching = {n for n in names if fnmatchcase(n, pattern)}
        if not matching:
            raise InputError(
                f"--lock {pattern!r} matches no parameter of {synth.name}; there are: {', '.join(names[:8])}, …"
            )
        found |= matching
    if len(found) == len(names):
        raise InputError("every parameter is locked; leave some free to tune.")
    return frozenset(found)


def with_algorithm(synth: Synth, start: Tensors, algorithm: int) -> Tensors:
    """The start on another algorithm, 1…32."""
    declared = next(p for p in synth.parameters if p.name == "algorithm")
    return {**start, "algorithm": torch.full_like(start["algorithm"], declared.to_position(algorithm - 1))}


def beginning(request: TuneRequest) -> tuple[Synth, Tensors, int]:
    """The synth, where it starts, and the note that modal pitches refer to."""
    if request.start is None:
        synth = make_synth(request.synth)
        return synth, synth.starting_positions(1, request.seed), request.note
    patch = Patch.load(request.start)
    if patch.synth != request.synth:
        raise InputError(
            f"{request.start}: a {patch.synth} patch can't start a {request.synth} tune. Use --synth {patch.synth}."
        )
    synth = make_synth(patch.synth, patch.settings)
    return synth, synth.positions_from(patch), patch.note


def run(request: TuneRequest, out: Path, report: Report, should_stop: ShouldStop) -> Result:
    """Tune and write ``patch.json``, ``preview.wav``, ``before-after.png``, ``history.csv`` and ``job.json``.

    A run that was cut off resumes from ``.checkpoint.safetensors`` in ``out``, and ends as it would have.

    Raises:
        DivergedError: a value wasn't finite; the files hold the last good patch.
    """
    settings = with_given(
        PROFILES[request.profile],
        steps=request.steps,
        batch=request.batch,
        guidance=request.guidance,
        candidates=request.candidates,
    )
    synth, start, reference_note = beginning(request)
    kept = locked(synth, request.lock)
    prior = catalog.load(request.prior)
    stage = Stage(synth, prior, request.note, window_seconds(prior), request.seed, reference_note)
    warning = unknown_word_warning(prior, request.prompt)
    report(Progress(0, settings.steps, 0.0, 0.0, warning or ""))
    prompt = prior.embed(request.prompt, stage.seconds)
    without = prior.embed(request.negative or None, stage.seconds)
    began = time.monotonic()
    plan = Run(
        start=start,
        loss=lambda step, positions, generator: sds_loss(stage, settings, prompt, without, step, positions, generator),
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        seed=request.seed,
        frozen=kept | {p.name for p in synth.parameters if p.choice},
        checkpoint=out / ".checkpoint.safetensors",
        identity=json.dumps([request.model_dump(), asdict(settings), prior.describe()], sort_keys=True),
    )
    judge = Judge(stage, settings, prompt, without)
    if request.algorithm and request.synth == "dx7" and request.start is None:
        start = with_algorithm(synth, start, request.algorithm)
        kept |= {"algorithm"}
    begun: Tensors | None = start
    if settings.candidates and settings.steps and request.start is None:
        begun = found_before(
            out, plan.identity, start, lambda: best_start(judge, start, kept, plan, report, should_stop)
        )
    if begun is None:
        return Result(out, [], {"steps": 0}, stopped=True)
    plan = replace(plan, start=begun)
    history = Recorder(out, synth.parameters)
    history.add(0, plan.start)
    tell = stepwise(report, settings.steps)

    def on_step(step: int, loss: float, positions: Tensors) -> None:
        history.add(step, positions)
        tell(step, loss, positions)

    def recorded(step: int) -> Tensors:
        return {name: torch.from_numpy(value) for name, value in history.row(step).items()}

    try:
        outcome = optimise(plan, on_step, should_stop)
    except DivergedError as error:
        values = {name: error.outcome.values[name] for name in start}
        outcome = Outcome(values, error.outcome.steps, error.outcome.losses)
        _write(request, settings, stage, start, outcome, history, out, time.monotonic() - began, warning)
        raise
    if outcome.stopped:
        history.close()
        return Result(out, [], {"steps": outcome.steps}, stopped=True)
    if settings.keep_best and outcome.steps:
        # a start that was chosen may be the best; one that was given is to be changed
        outcome.kept = best_step(judge, recorded, outcome.steps, 0 if begun is not start else 1, request.seed, report)
        outcome.values = recorded(outcome.kept)
    blended = {name for name in plan.start if name not in plan.frozen}
    outcome.values |= {n: torch.lerp(start[n], outcome.values[n], request.amount) for n in blended}
    return _write(request, settings, stage, start, outcome, history, out, time.monotonic() - began, warning)


def _write(
    request: TuneRequest,
    settings: Settings,
    stage: Stage,
    start: Tensors,
    outcome: Outcome,
    history: Recorder,
    out: Path,
    seconds: float,
    warning: str | None,
) -> Result:
    with torch.no_grad():
        before, after = (stage.render(p, PREVIEW_RATE)[0].numpy() for p in (start, outcome.values))
    scores = [alignment(x, PREVIEW_RATE, request.prompt) for x in (before, after)]
    patch = stage.synth.patch_of(outcome.values, name=request.prompt[:60], note=stage.reference_note)
    details = record(
        stage.prior,
        request,
        asdict(settings),
        steps_done=outcome.steps,
        kept_step=outcome.steps if outcome.kept is None else outcome.kept,
    )
    told = note("tune", details)
    patch.provenance = {k: details[k] for k in ("seed", "prior", "versions", "settings")} | {
        "prompt": request.prompt,
        "task": "tune",
    }
    summary = {
        "alignment_before": round(scores[0].score, 4),
        "alignment_after": round(scores[1].score, 4),
        "judge": scores[0].judge,
        "seconds": round(seconds, 2),
        "warnings": [warning] if warning else [],
    }
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["step", "loss"])
    table.writerows([i + 1, f"{loss:.6g}"] for i, loss in enumerate(outcome.losses))
    write_text(out / "history.csv", rows.getvalue())
    files = [
        patch.save(out / "patch.json"),
        audio.save(out / "preview.wav", audio.unclipped(after), PREVIEW_RATE, "FLOAT", told),
        panels(
            out / "before-after.png", [("before", before), ("after", after)], PREVIEW_RATE, request.prompt[:90], told
        ),
        out / "history.csv",
        history.finish(outcome.steps, json.dumps(patch.provenance)),
    ]
    write_text(out / "job.json", json.dumps({"task": "tune", **details, **summary}, indent=1) + "\n")
    # the checkpoint first: a run that would resume from it needs the others
    for leftover in (out / ".checkpoint.safetensors", out / ".start.safetensors", history.path):
        leftover.unlink(missing_ok=True)
    return Result(out, [f.resolve() for f in [*files, out / "job.json"]], summary)
