// Loudness after ITU-R BS.1770: K-weighted mean power over channels, without its gate (clips here are short).

/** LUFS of an AudioBuffer; -Infinity for silence. */
export async function loudness(buffer) {
  const context = new OfflineAudioContext(buffer.numberOfChannels, buffer.length, buffer.sampleRate);
  const source = new AudioBufferSourceNode(context, { buffer });
  const shelf = new BiquadFilterNode(context, { type: "highshelf", frequency: 1682, gain: 4 });
  const highpass = new BiquadFilterNode(context, { type: "highpass", frequency: 38, Q: -6 });
  source.connect(shelf).connect(highpass).connect(context.destination);
  source.start();
  const heard = await context.startRendering();
  let power = 0;
  for (let channel = 0; channel < heard.numberOfChannels; channel++) {
    let sum = 0;
    for (const sample of heard.getChannelData(channel)) sum += sample * sample;
    power += sum / heard.length;
  }
  return -0.691 + 10 * Math.log10(power);
}

const FARTHEST = 24; // dB; beyond it one of the two is as good as silent, and stays as it is

/** By how many dB the first is louder, where they can be matched; else 0. */
export function difference(first, second) {
  const found = first - second;
  return Math.abs(found) <= FARTHEST ? found : 0;
}

/** Gains 0…1 that make two loudnesses equal by lowering the louder. */
export function matched(first, second) {
  const louder = difference(first, second);
  const down = 10 ** (-Math.abs(louder) / 20);
  return louder > 0 ? [down, 1] : [1, down];
}
