// New work: a patch from words, or stems from a clip.

import { html, nothing } from "../vendor/lit-html.js";
import { get, post, upload } from "./api.js";
import { announce, state, update } from "./state.js";

const waiting = {};

/** Ask, once typing pauses, which words of a prompt the prior knows. */
export function checkWords(field, text) {
  clearTimeout(waiting[field]);
  waiting[field] = setTimeout(async () => {
    const words = text.trim() ? await get(`/api/words?prompt=${encodeURIComponent(text.slice(0, 500))}`).catch(() => null) : null;
    update({ words: { ...state.words, [field]: words } });
  }, 250);
}

/** What is known of a prompt, for the eye and the ear. */
export function wordsHint(field) {
  const words = state.words[field];
  let said = nothing;
  if (words?.checked && words.unknown.length) {
    said = html`${words.known.map((word) => html`<span class="word known">${word}</span> `)}${words.unknown.map(
      (word) => html`<span class="word unknown">${word}</span> `,
    )}<span class="said">${words.unknown.length === 1 ? "isn't known to the starter" : "aren't known to the starter"}${words.known.length ? "; the rest is used" : ""}.</span>`;
  } else if (words?.checked && words.known.length) {
    said = html`${words.known.map((word) => html`<span class="word known">${word}</span> `)}<span class="said">All words are known.</span>`;
  }
  return html`<small id="${field}-words" class="words" aria-live="polite">${said}</small>`;
}

/** A submit handler that shows the daemon's refusal beside its form, and opens the job that was made. */
export function submitting(name, request) {
  return async (event) => {
    event.preventDefault();
    if (state.busy[name]) return;
    update({ busy: { ...state.busy, [name]: true }, problem: { ...state.problem, [name]: null } });
    try {
      const job = await request(new FormData(event.target));
      state.jobs.set(job.id, job);
      announce(`Job ${job.id} is queued: ${job.what}.`);
      location.hash = `#/job/${job.id}`;
    } catch (error) {
      update({ problem: { ...state.problem, [name]: error.message } });
    }
    update({ busy: { ...state.busy, [name]: false } });
  };
}

export const problem = (name) =>
  html`<div role="alert">${state.problem[name] ? html`<p class="problem">${state.problem[name]}</p>` : nothing}</div>`;

const whole = (data, name) => (data.get(name) ? Number(data.get(name)) : undefined);

const tune = submitting("tune", (data) =>
  post("/api/tunes", {
    prompt: data.get("prompt"),
    synth: data.get("synth"),
    negative: data.get("negative") || undefined,
    steps: whole(data, "steps"),
    batch: whole(data, "batch"),
    guidance: whole(data, "guidance"),
    seed: whole(data, "seed"),
    note: whole(data, "note"),
    candidates: whole(data, "candidates"),
  }),
);

const separate = submitting("separate", (data) => {
  if (!state.clip) throw new Error("There is no clip yet. Drop one on the field, or choose a file.");
  const stems = data.get("stems").split("\n").map((line) => line.trim()).filter(Boolean);
  if (!stems.length) throw new Error("Say what is in the clip, one sound a line.");
  return post("/api/separations", { clip: state.clip.clip, stems, steps: whole(data, "steps"), seed: whole(data, "seed") });
});

async function take(file) {
  if (!file) return;
  update({ clip: null, uploading: 0, problem: { ...state.problem, clip: null } });
  try {
    const clip = await upload(file, (share) => update({ uploading: share }));
    update({ clip: { ...clip, name: file.name } });
    announce(`${file.name} is here, ${clip.seconds.toFixed(1)} seconds.`);
  } catch (error) {
    update({ problem: { ...state.problem, clip: error.message } });
  }
  update({ uploading: null });
}

function dropped(event) {
  event.preventDefault();
  event.currentTarget.classList.remove("over");
  take(event.dataTransfer.files[0]);
}

function dragged(event) {
  event.preventDefault();
  event.currentTarget.classList.toggle("over", event.type === "dragover");
}

const number = (name, label, attributes) => html`
  <label>${label}<input type="number" name=${name} inputmode="numeric" min=${attributes.min ?? 0} max=${attributes.max ?? nothing}
    step=${attributes.step ?? 1} placeholder=${attributes.placeholder ?? nothing}></label>`;

const tuneForm = () => html`
  <form @submit=${tune} ?hidden=${state.kind !== "tune"} aria-label="New tune">
    <label for="tune-prompt">What should it sound like?</label>
    <input id="tune-prompt" name="prompt" required maxlength="500" list="sounds" autocomplete="off"
      placeholder="kick drum, bass, reverb" aria-describedby="tune-words" @input=${(event) => checkWords("tune", event.target.value)}>
    ${wordsHint("tune")}
    <datalist id="sounds">${state.sounds.map((sound) => html`<option value=${sound}></option>`)}</datalist>
    <div class="pair">
      <label>Synth<select name="synth">
        <option value="fm">FM</option>
        <option value="modal">Modal</option>
        <option value="dx7">DX7</option>
      </select></label>
      ${number("steps", "Steps", { max: 100000, placeholder: "automatic" })}
    </div>
    <details>
      <summary>More</summary>
      <label>What it should not be<input name="negative" maxlength="500" placeholder="noisy, muffled"></label>
      <div class="pair">
        ${number("note", "MIDI note", { max: 127, placeholder: "48" })}
        ${number("seed", "Seed", { max: 2147483647, placeholder: "0" })}
        ${number("batch", "Batch", { min: 1, max: 256, placeholder: "automatic" })}
        ${number("guidance", "Guidance", { max: 200, step: 0.5, placeholder: "automatic" })}
        ${number("candidates", "Starts tried", { max: 10000, placeholder: "automatic" })}
      </div>
    </details>
    ${problem("tune")}
    <button type="submit" aria-busy=${state.busy.tune ? "true" : nothing}>Tune</button>
  </form>`;

const clipText = () => {
  if (state.uploading !== null) return html`<progress value=${state.uploading} aria-label="Sending the clip"></progress>`;
  if (state.clip) return html`<strong>${state.clip.name}</strong> ${state.clip.seconds.toFixed(1)} s, ${state.clip.rate} Hz, ${state.clip.channels === 1 ? "mono" : `${state.clip.channels} channels`}`;
  return html`<strong>Drop a clip here</strong> or choose one: WAV, AIFF, FLAC, Ogg or MP3`;
};

const separateForm = () => html`
  <form @submit=${separate} ?hidden=${state.kind !== "separate"} aria-label="New separation">
    <label class="drop" @dragover=${dragged} @dragleave=${dragged} @drop=${dropped}>
      <span>${clipText()}</span>
      <input type="file" name="clip" aria-label="Clip" accept="audio/*,.wav,.aif,.aiff,.flac,.ogg,.mp3" @change=${(event) => take(event.target.files[0])}>
    </label>
    ${problem("clip")}
    <label for="separate-stems">What is in it? One sound a line</label>
    <textarea id="separate-stems" name="stems" rows="3" maxlength="4000" placeholder=${"saxophone\ntraffic"}
      aria-describedby="separate-words" @input=${(event) => checkWords("separate", event.target.value)}></textarea>
    ${wordsHint("separate")}
    <details>
      <summary>More</summary>
      <div class="pair">
        ${number("steps", "Steps", { max: 100000, placeholder: "automatic" })}
        ${number("seed", "Seed", { max: 2147483647, placeholder: "0" })}
      </div>
    </details>
    ${problem("separate")}
    <button type="submit" aria-busy=${state.busy.separate ? "true" : nothing}>Separate</button>
  </form>`;

const choice = (kind, label) => html`
  <label class="choice"><input type="radio" name="kind" value=${kind} .checked=${state.kind === kind}
    @change=${() => update({ kind })}><span>${label}</span></label>`;

export const forms = () => html`
  <article class="new">
    <h2 class="unseen">New job</h2>
    <fieldset class="choices">
      <legend class="unseen">What to make</legend>
      ${choice("tune", "Text to patch")}${choice("separate", "Clip to stems")}
    </fieldset>
    ${tuneForm()}${separateForm()}
  </article>`;
