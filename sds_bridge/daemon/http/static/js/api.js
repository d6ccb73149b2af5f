// Requests to the daemon. A refusal becomes an Error with the daemon's own line.

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `the daemon answered ${response.status}.`);
  return body;
}

async function ask(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The daemon doesn't answer. Is it still running?");
  }
}

export const get = async (path, signal) => answer(await ask(path, { signal }));

export const post = async (path, body) =>
  answer(await ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  }));

const sounds = new Map();

/** The sound at a path as a Blob, kept so that scrubbing back is instant. */
export async function sound(path, signal) {
  if (!sounds.has(path)) {
    const response = await ask(path, { signal });
    if (!response.ok) await answer(response);
    sounds.set(path, await response.blob());
    if (sounds.size > 60) sounds.delete(sounds.keys().next().value);
  }
  return sounds.get(path);
}

/** Send a file as the body, telling 0…1 on the way (fetch can't tell). */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/clips?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onload = () =>
      request.status === 201 ? resolve(request.response) : reject(new Error(request.response?.error || "The clip was refused."));
    request.onerror = () => reject(new Error("The clip could not be sent. Is the daemon still running?"));
    request.send(file);
  });
}
