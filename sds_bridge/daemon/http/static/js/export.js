// The patch at the chosen step as a preset file, and what the format could not hold.

import { html, nothing } from "../vendor/lit-html.js";
import { get, post } from "./api.js";
import { problem } from "./forms.js";
import { announce, selectedJob, state, update } from "./state.js";
import { bytes } from "./text.js";

async function write(event) {
  event.preventDefault();
  const job = selectedJob();
  const format = new FormData(event.target).get("format");
  update({ busy: { ...state.busy, export: true }, exported: null, problem: { ...state.problem, export: null } });
  try {
    const exported = await post(`/api/jobs/${job.id}/exports`, { format, step: state.step });
    const files = await get(`/api/jobs/${job.id}/files`);
    if (selectedJob()?.id === job.id) update({ exported, files });
    announce(`${exported.file.name} is ready.`);
  } catch (error) {
    update({ problem: { ...state.problem, export: error.message } });
  }
  update({ busy: { ...state.busy, export: false } });
}

const result = ({ file, report }) => html`
  <div class="exported">
    <a role="button" class="outline" href=${file.url} download>Download ${file.name.split("/").pop()}</a> <small>${bytes(file.bytes)}</small>
    ${report.length
      ? html`<details open><summary>What was rounded, merged or left out (${report.length})</summary><ul>${report.map((line) => html`<li>${line}</li>`)}</ul></details>`
      : html`<p class="faint">Nothing was lost.</p>`}
  </div>`;

export const exporting = (job) => {
  const formats = state.formats.filter((format) => format.synths.includes(state.patch.patch.synth));
  const chosen = formats.find((format) => format.name === state.format) ?? formats[0];
  return html`
    <section class="card" aria-labelledby="export-title">
      <h2 id="export-title">Export</h2>
      <form class="inline" @submit=${write}>
        <label>Format<select name="format" aria-describedby="format-about" @change=${(event) => update({ format: event.target.value })}>
          ${formats.map((format) => html`<option value=${format.name}>${format.name} (${format.suffix})</option>`)}
        </select></label>
        <button type="submit" aria-busy=${state.busy.export ? "true" : nothing}>Export ${state.step === null ? "the result" : `step ${state.step}`}</button>
      </form>
      <p class="faint" id="format-about">${chosen?.description ?? ""}</p>
      ${problem("export")}
      ${state.exported ? result(state.exported) : nothing}
    </section>`;
};
