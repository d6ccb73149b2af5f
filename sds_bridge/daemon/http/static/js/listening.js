// Before and after: two sounds with their pictures, one transport, and a slider along the steps of a tune.

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "./api.js";
import { Deck } from "./deck.js";
import { selectedJob, state, update } from "./state.js";

let deck = null;
let scrubbing = 0;

export const onTheme = () => deck?.recolour();

export function silence() {
  deck?.destroy();
  deck = null;
}

const preview = (job, step) => `/api/jobs/${job.id}/preview.wav${step === null ? "" : `?step=${step}`}`;

const pairOf = (job) =>
  job.kind === "tune"
    ? { A: state.patch.steps === null ? null : preview(job, 0), B: preview(job, state.step) }
    : { A: `/api/jobs/${job.id}/clip`, B: state.stem?.url };

/** Show a finished job's sounds, once their places are drawn. */
export function listen(job) {
  if (job.kind === "separate") update({ stem: stemsOf()[0] ?? null });
  update();
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const containers = { A: document.getElementById("wave-a"), B: document.getElementById("wave-b") };
    if (!containers.A || state.selected !== job.id || deck) return;
    deck = new Deck(containers, () => update());
    for (const [side, path] of Object.entries(pairOf(job))) if (path) deck.load(side, path);
    update();
  }));
}

export const stemsOf = () => state.files.filter((file) => file.name.endsWith(".wav") && !file.name.includes("/"));

/** A step by its number; the one that was kept is the result itself. */
const scrub = (event) => go(Number(event.target.value) === state.patch.kept ? null : Number(event.target.value));

function go(step) {
  update({ step });
  clearTimeout(scrubbing);
  scrubbing = setTimeout(async () => {
    const job = selectedJob();
    deck?.load("B", preview(job, step), true);
    try {
      const patch = await get(`/api/jobs/${job.id}/patch${step === null ? "" : `?step=${step}`}`);
      if (selectedJob() === job && state.step === step) update({ patch, exported: null });
    } catch (error) {
      update({ problem: { ...state.problem, job: error.message } });
    }
  }, 150);
}

function chooseStem(event) {
  update({ stem: stemsOf().find((file) => file.url === event.target.value) });
  deck?.load("B", event.target.value, true);
}

const side = (name, title, about) => html`
  <figure class="deck ${deck?.heard === name ? "heard" : ""}">
    <figcaption>
      <button type="button" class="ab" aria-pressed=${deck?.heard === name ? "true" : "false"} @click=${() => deck?.hear(name)}
        aria-label="Hear ${name}, ${title} (key ${name})">${name}</button>
      <span><strong>${title}</strong> <small>${about}</small></span>
      ${deck?.loading[name] ? html`<small class="faint" aria-busy="true">loading</small>` : nothing}
    </figcaption>
    <div id="wave-${name.toLowerCase()}" class="wave" role="img" aria-label="Waveform and spectrogram of ${title}"></div>
    <small class="axis">40 Hz to 16 kHz, logarithmic; 75 dB</small>
  </figure>`;

const scrubber = () => {
  const { steps, kept } = state.patch;
  if (!steps) return nothing;
  const at = state.step ?? kept ?? steps;
  return html`
    <div class="scrub">
      <label for="step">Step along the way</label>
      <output for="step">${state.step === null && kept === null ? "the result" : `${at} of ${steps}${state.step === null ? ", the result" : at === 0 ? ", the start" : ""}`}</output>
      <input id="step" type="range" min="0" max=${steps} step="1" .value=${String(at)} @input=${scrub}
        aria-valuetext="step ${at} of ${steps}${state.step === null ? ", the result" : ""}">
      ${state.step === null ? nothing : html`<button type="button" class="quiet small" @click=${() => go(null)}>Back to the result</button>`}
    </div>`;
};

const stemChoice = (job) => html`
  <label>B plays<select @change=${chooseStem}>
    ${stemsOf().map((file) => html`<option value=${file.url} ?selected=${file.url === state.stem?.url}>${stemName(job, file)}</option>`)}
  </select></label>`;

const stemName = (job, file) => job.request.stems[Number(file.name.match(/^(\d+)-/)?.[1]) - 1] ?? "what is left over";

const transport = () => html`
  <div class="transport">
    <button type="button" @click=${() => deck?.toggle()}>${deck?.playing ? "Pause" : "Play"} ${deck?.heard ?? "B"}</button>
    <button type="button" class="secondary" @click=${() => deck?.hear(deck.heard === "A" ? "B" : "A")}>Switch to ${deck?.heard === "A" ? "B" : "A"}</button>
    <label><input type="checkbox" role="switch" .checked=${deck?.loop ?? false} @change=${(event) => deck && (deck.loop = event.target.checked)}>Loop</label>
    <label><input type="checkbox" role="switch" .checked=${deck?.equal ?? true} @change=${(event) => deck?.setEqual(event.target.checked)}>Equal loudness</label>
    <small class="faint">${deck?.lowered ?? ""}</small>
  </div>`;

export const listening = (job) => html`
  <section class="card" aria-labelledby="listen-title" @keydown=${keys}>
    <h2 id="listen-title">Listen</h2>
    ${job.kind === "tune" ? scrubber() : stemChoice(job)}
    ${transport()}
    ${deck?.problem ? html`<p class="problem" role="alert">${deck.problem}</p>` : nothing}
    <div class="decks">
      ${job.kind === "tune"
        ? html`${side("A", "Before", "the start")}${side("B", "After", state.step === null ? "the result" : `step ${state.step}`)}`
        : html`${side("A", "Clip", "what was given")}${side("B", state.stem ? stemName(job, state.stem) : "Stem", state.stem?.name ?? "")}`}
    </div>
  </section>`;

function keys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, input:not([type=range])")) return;
  const name = event.key.toUpperCase();
  if (name === "A" || name === "B") deck?.hear(name);
}
