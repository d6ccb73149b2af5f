// One job: how it goes, and when it is done what came of it.

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "./api.js";
import { exporting } from "./export.js";
import { listening, listen, silence, onTheme } from "./listening.js";
import { refine } from "./refine.js";
import { problem } from "./forms.js";
import { cancel, progress } from "./queue.js";
import { selectedJob, state, update } from "./state.js";
import { bytes, duration, ENDED, progressText } from "./text.js";

export { onTheme };

/** Forget what belonged to the job that was open. */
export function leave() {
  silence();
  document.querySelector("#job form[aria-label=Refine]")?.reset();
  update({ step: null, patch: null, before: null, locked: new Set(), stem: null, files: [], exported: null, problem: {} });
}

/** Fetch what a finished job left, and load its sounds. */
export async function visit(job) {
  if (job.status !== "done" && job.status !== "failed") return;
  try {
    const files = await get(`/api/jobs/${job.id}/files`);
    if (state.selected !== job.id) return;
    update({ files });
    if (job.kind === "tune" && files.some((file) => file.name === "patch.json")) {
      const patch = await get(`/api/jobs/${job.id}/patch`);
      const before = patch.steps === null ? null : await get(`/api/jobs/${job.id}/patch?step=0`);
      if (state.selected !== job.id) return;
      update({ patch, before, locked: new Set(job.request.lock) });
    }
    listen(job);
  } catch (error) {
    update({ problem: { ...state.problem, job: error.message } });
  }
}

/** A clip's name without the mark that keeps uploads apart. */
const clipName = (path) => path.split(/[/\\]/).pop().replace(/^[0-9a-f]{8}-/, "");

const facts = (job) => {
  const { request, summary } = job;
  const found = job.kind === "tune" ? [request.synth, `note ${request.note}`] : [clipName(request.clip), request.mode];
  found.push(`seed ${request.seed}`);
  if (job.steps) found.push(`${job.steps} steps`);
  if (summary.seconds) found.push(`took ${duration(summary.seconds)}`);
  return found.join(" · ");
};

const measured = ({ summary }) => {
  if (summary.alignment_after === undefined) return nothing;
  const [before, after] = [summary.alignment_before, summary.alignment_after];
  return html`<p class="measured" title="by the bundled judge, 0 to 1">
    <span class="figures">${before.toFixed(2)} <span aria-label="to">→</span> <b class=${after >= before ? "better" : "worse"}>${after.toFixed(2)}</b></span>
    <span>match to the words, before and after</span></p>`;
};

const going = (job) => html`
  <div class="now">
    ${job.status === "running" ? progress(job) : nothing}
    <div class="row"><span>${progressText(job)}</span>
      <button type="button" class="secondary" ?disabled=${job.cancelling} @click=${() => cancel(job)}>Cancel this job</button></div>
  </div>`;

const fileList = () => {
  const shown = state.files.filter((file) => !file.name.includes("-samples/"));
  if (!shown.length) return nothing;
  return html`<details class="files"><summary>Files (${shown.length})</summary>
    <ul>${shown.map((file) => html`<li><a href=${file.url} download>${file.name}</a> <small>${bytes(file.bytes)}</small></li>`)}</ul>
  </details>`;
};

const stems = (job) => html`
  <ul class="stems" aria-label="Stems">
    ${state.files.filter((file) => file.name.endsWith(".wav")).map((file) => {
      const number = Number(file.name.match(/^(\d+)-/)?.[1]);
      return html`<li><span>${job.request.stems[number - 1] ?? "what is left over"}</span>
        <a href=${file.url} download>${file.name}</a> <small>${bytes(file.bytes)}</small></li>`;
    })}
  </ul>`;

export function jobView() {
  const job = selectedJob();
  if (!job) {
    return html`<div class="welcome"><h1>${state.selected === null ? "Say it, hear it, keep it" : `There is no job ${state.selected}`}</h1>
      <p>Type what a sound should be and get a patch for your synth. Or drop a clip, name what is in it, and get stems that sum back to it. Everything runs on this machine.</p></div>`;
  }
  const ended = ENDED.has(job.status);
  const tuned = job.kind === "tune" && state.patch;
  return html`
    <header class="head">
      <h1>${job.what}</h1>
      <p class="faint"><span class="status ${job.status}">${job.cancelling ? "cancelling" : job.status}</span> job ${job.id} · ${facts(job)}</p>
      ${measured(job)}
    </header>
    ${job.message && ended ? html`<p class="remark">${job.message}</p>` : nothing}
    ${job.error ? html`<p class="problem" role="alert">${job.error}</p>` : nothing}
    ${problem("job")}
    ${ended ? nothing : going(job)}
    ${tuned || (job.kind === "separate" && state.stem) ? listening(job) : nothing}
    ${job.kind === "separate" && job.status === "done" ? stems(job) : nothing}
    ${tuned ? html`${exporting(job)}${refine(job)}` : nothing}
    ${fileList()}
  `;
}
