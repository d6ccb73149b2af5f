// What the page shows. Everything that changes goes through `update`, which draws once a frame.

export const state = {
  connected: false,
  jobs: new Map(),
  selected: null, // a job's id
  kind: "tune", // which form is open
  sounds: [],
  formats: [],
  format: null, // chosen for export
  words: {}, // by field: {known, unknown, checked}
  clip: null, // the upload that a separation will name
  uploading: null, // 0…1 while a clip is sent
  problem: {}, // by form: one line
  busy: {}, // by form: a request is out
  step: null, // of the selected tune; null is its result
  patch: null, // PatchView of that step
  before: null, // PatchView of step 0
  locked: new Set(),
  stem: null, // file that B plays of a separation
  files: [],
  exported: null, // ExportView
};

let draw = () => {};
let waiting = false;

export function onUpdate(render) {
  draw = render;
}

export function update(changes = {}) {
  Object.assign(state, changes);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

/** Say something to a screen reader. */
export function announce(text) {
  document.getElementById("announcements").textContent = text;
}

export const selectedJob = () => state.jobs.get(state.selected) ?? null;
