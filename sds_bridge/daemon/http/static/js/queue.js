// Every job, newest first: where it is, how long it takes, and a way to stop it.

import { html, nothing } from "../vendor/lit-html.js";
import { post } from "./api.js";
import { announce, state, update } from "./state.js";
import { ENDED, progressText } from "./text.js";

export async function cancel(job) {
  try {
    state.jobs.set(job.id, await post(`/api/jobs/${job.id}/cancel`));
    announce(`Job ${job.id} is being cancelled.`);
  } catch (error) {
    update({ problem: { ...state.problem, job: error.message } });
  }
  update();
}

export const progress = (job) => html`
  <progress aria-label="Progress of job ${job.id}" value=${job.steps ? job.step : nothing} max=${job.steps || nothing}></progress>`;

const row = (job) => html`
  <li class=${job.id === state.selected ? "selected" : ""}>
    <a href="#/job/${job.id}" aria-current=${job.id === state.selected ? "true" : nothing}>
      <span class="what">${job.what}</span>
      <span class="about">${job.kind === "tune" ? job.request.synth : "stems"} · job ${job.id}</span>
    </a>
    <span class="status ${job.status}">${job.cancelling ? "cancelling" : job.status}</span>
    ${ENDED.has(job.status)
      ? nothing
      : html`<div class="going">
          ${job.status === "running" ? progress(job) : nothing}
          <small>${progressText(job)}</small>
          <button type="button" class="quiet small" ?disabled=${job.cancelling} @click=${() => cancel(job)} aria-label="Cancel job ${job.id}, ${job.what}">Cancel</button>
        </div>`}
  </li>`;

export const queue = () => {
  const jobs = [...state.jobs.values()].sort((a, b) => b.id - a.id);
  return html`
    <section class="queue" aria-labelledby="queue-title">
      <h2 id="queue-title">Jobs</h2>
      ${jobs.length ? html`<ul>${jobs.map(row)}</ul>` : html`<p class="faint">None yet. Say what a sound should be, and tune.</p>`}
    </section>`;
};
