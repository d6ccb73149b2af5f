// The page: what it follows, where it goes, and the frame that the rooms are drawn in.

import { html, render } from "../vendor/lit-html.js";
import { get } from "./api.js";
import { forms } from "./forms.js";
import { jobView, leave, onTheme, visit } from "./job.js";
import { queue } from "./queue.js";
import { announce, onUpdate, selectedJob, state, update } from "./state.js";
import { ENDED } from "./text.js";

const shell = () => html`
  <header class="bar">
    <a class="brand" href="#/"><img src="/static/icon.svg" alt="" width="28" height="28"> SDS Bridge</a>
    <span class="link ${state.connected ? "up" : "down"}">${state.connected ? "daemon connected" : "daemon not connected"}</span>
    <button class="quiet" type="button" @click=${switchTheme} aria-label="Switch between light and dark">
      <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true"><circle cx="9" cy="9" r="7" fill="none" stroke="currentColor" stroke-width="2"/><path d="M9 2a7 7 0 0 1 0 14z" fill="currentColor"/></svg></button>
  </header>
  <main>
    <div class="side">
      ${forms()}
      ${queue()}
    </div>
    <section id="job" tabindex="-1" aria-label="Job">${jobView()}</section>
  </main>
`;

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  onTheme();
}

function heard(job) {
  const before = state.jobs.get(job.id);
  state.jobs.set(job.id, job);
  if (before && before.status !== job.status) {
    announce(`Job ${job.id}, ${job.what}: ${job.error || job.status}.`);
    if (ENDED.has(job.status) && job.id === state.selected) visit(job);
  }
  if (!before && job.id === state.selected) visit(job);
  update();
}

function follow() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => update({ connected: true }));
  events.addEventListener("error", () => update({ connected: false }));
  events.addEventListener("job", (event) => heard(JSON.parse(event.data)));
}

function navigate() {
  const match = location.hash.match(/^#\/job\/(\d+)$/);
  const selected = match ? Number(match[1]) : null;
  if (selected !== state.selected) {
    leave();
    update({ selected });
    const job = selectedJob();
    if (job) visit(job);
    if (selected !== null) {
      requestAnimationFrame(() => {
        const section = document.getElementById("job");
        section.focus({ preventScroll: true });
        section.scrollIntoView({ block: "start" });
      });
    }
  }
}

const kept = localStorage.getItem("theme");
if (kept) document.documentElement.dataset.theme = kept;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onTheme);
onUpdate(() => {
  render(shell(), document.getElementById("app"));
  document.title = title();
});
document.getElementById("app").textContent = "";
window.addEventListener("hashchange", navigate);
navigate();
follow();
update();
Promise.all([get("/api/sounds"), get("/api/formats")]).then(
  ([sounds, formats]) => update({ sounds, formats }),
  () => {},
);

function title() {
  const running = [...state.jobs.values()].find((job) => job.status === "running");
  if (!running || !running.steps) return "SDS Bridge";
  return `${Math.round((100 * running.step) / running.steps)} % · SDS Bridge`;
}
