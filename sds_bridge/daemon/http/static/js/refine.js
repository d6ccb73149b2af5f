// Keep what is good, name what comes next: parameters with locks, and a tune that goes on from here.

import { html, nothing } from "../vendor/lit-html.js";
import { post } from "./api.js";
import { checkWords, problem, submitting, wordsHint } from "./forms.js";
import { selectedJob, state, update } from "./state.js";
import { group, groupTitle, number } from "./text.js";

const again = submitting("refine", (data) => {
  const free = state.patch.parameters.filter((one) => !one.choice && !state.locked.has(one.name));
  if (!free.length) throw new Error("Every parameter is locked. Leave some free to tune.");
  const job = selectedJob();
  return post("/api/tunes", {
    prompt: data.get("prompt"),
    synth: job.request.synth,
    note: job.request.note,
    seed: job.request.seed,
    start_job: job.id,
    start_step: state.step ?? undefined,
    lock: [...state.locked],
    amount: Number(data.get("amount")) / 100,
    steps: data.get("steps") ? Number(data.get("steps")) : undefined,
    batch: job.request.batch ?? undefined,
  });
});

function lock(names, on) {
  const locked = new Set(state.locked);
  for (const name of names) on ? locked.add(name) : locked.delete(name);
  update({ locked });
}

function groups(parameters) {
  const found = new Map();
  for (const one of parameters) found.set(group(one.name), [...(found.get(group(one.name)) ?? []), one]);
  return [...found];
}

const SHORT = { semitones: "st", cents: "ct", ratio: "×" };

const value = (one) => {
  const shown = one.values.length > 1 ? `${one.values.length} values` : number(one.values[0]);
  return one.unit && one.values.length === 1 ? `${shown} ${SHORT[one.unit] ?? one.unit}` : shown;
};

const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

const parameter = (one, before) => {
  const [now, was] = [mean(one.positions), before ? mean(before.positions) : null];
  return html`<li>
    <label title=${one.description}><input type="checkbox" .checked=${one.choice || state.locked.has(one.name)} ?disabled=${one.choice}
      @change=${(event) => lock([one.name], event.target.checked)}>${one.name}</label>
    <span class="track" aria-hidden="true"><i style="left:${100 * now}%"></i>${was === null ? nothing : html`<b style="left:${100 * was}%"></b>`}</span>
    <span class="value">${value(one)}</span>
  </li>`;
};

const lockGroup = ([key, members], before) => {
  const free = members.filter((one) => !one.choice).map((one) => one.name);
  const held = free.filter((name) => state.locked.has(name)).length;
  return html`<details class="group">
    <summary>${groupTitle(key)} <small>${members.length}${held ? `, ${held} locked` : ""}</small></summary>
    <label class="all"><input type="checkbox" .checked=${held > 0 && held === free.length} .indeterminate=${held > 0 && held < free.length}
      ?disabled=${!free.length} @change=${(event) => lock(free, event.target.checked)}>Lock all of ${groupTitle(key)}</label>
    <ul>${members.map((one) => parameter(one, before.get(one.name)))}</ul>
  </details>`;
};

export const refine = (job) => {
  const before = new Map((state.before?.parameters ?? []).map((one) => [one.name, one]));
  const from = state.step === null ? "the result" : `step ${state.step}`;
  return html`
    <section class="card" aria-labelledby="refine-title">
      <h2 id="refine-title">Lock and refine</h2>
      <p class="faint">Lock what should stay as it is at ${from}; then say what comes next. The dot is the value here, the line where it started.</p>
      <div class="groups">${groups(state.patch.parameters).map((one) => lockGroup(one, before))}</div>
      <form @submit=${again} aria-label="Refine">
        <label for="refine-prompt">Next prompt</label>
        <input id="refine-prompt" name="prompt" required maxlength="500" list="sounds" autocomplete="off" .defaultValue=${job.request.prompt}
          aria-describedby="refine-words" @input=${(event) => checkWords("refine", event.target.value)}>
        ${wordsHint("refine")}
        <div class="pair">
          <label>How far to go, %<input type="number" name="amount" min="0" max="100" step="5" value="100"></label>
          <label>Steps<input type="number" name="steps" min="0" max="100000" placeholder="automatic" .defaultValue=${job.request.steps === null ? "" : String(job.request.steps)}></label>
        </div>
        ${problem("refine")}
        <button type="submit" aria-busy=${state.busy.refine ? "true" : nothing}>Tune on from ${from}${state.locked.size ? `, ${state.locked.size} locked` : ""}</button>
      </form>
    </section>`;
};
