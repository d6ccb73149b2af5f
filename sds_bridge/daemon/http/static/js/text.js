// Numbers and names as people read them.

export const ENDED = new Set(["done", "failed", "cancelled"]);

export function duration(seconds) {
  if (seconds == null) return "";
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function progressText(job) {
  if (job.status === "queued") return job.message || "waiting for its turn";
  if (job.cancelling) return "stopping at the next step";
  if (!job.steps) return "loading the prior";
  if (!job.step) return `preparing ${job.steps} steps`;
  const left = job.seconds_left != null ? `, ${duration(job.seconds_left)} left` : "";
  return `step ${job.step} of ${job.steps}${left}`;
}

export function number(value) {
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size >= 100) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  if (size >= 0.001 || size === 0) return value.toFixed(3);
  return value.toExponential(1);
}

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  if (size < 1e6) return `${(size / 1e3).toFixed(0)} kB`;
  return `${(size / 1e6).toFixed(1)} MB`;
}

const GROUPS = { matrix: "Modulation matrix", lfo: "LFO", eg: "Envelope", modes: "Modes", gain: "Output" };

/** A parameter's group: the part of its name before the first dot. */
export const group = (name) => name.split(".")[0];

export function groupTitle(key) {
  const operator = key.match(/^op(\d+)$/);
  if (operator) return `Operator ${operator[1]}`;
  return GROUPS[key] || key.charAt(0).toUpperCase() + key.slice(1);
}
