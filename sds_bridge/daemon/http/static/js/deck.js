// Two sounds one above or beside the other, A and B, with one transport: only one is heard, at one place.

import WaveSurfer from "../vendor/wavesurfer.esm.js";
import Spectrogram from "../vendor/spectrogram.esm.js";
import { sound } from "./api.js";
import { difference, loudness, matched } from "./loudness.js";

const DECODE_RATE = 44100;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Side {
  constructor(container, name, onEvent) {
    this.name = name;
    this.path = null;
    this.loudness = -Infinity;
    this.surfer = WaveSurfer.create({
      container,
      height: 72,
      sampleRate: DECODE_RATE,
      normalize: true,
      cursorWidth: 2,
      ...this.colours(),
      plugins: [
        Spectrogram.create({
          height: 128,
          fftSamples: 1024,
          scale: "logarithmic",
          frequencyMin: 40,
          frequencyMax: 16000,
          gainDB: 10,
          rangeDB: 75,
          colorMap: "roseus",
          labels: false,
        }),
      ],
    });
    for (const event of ["play", "pause", "finish"]) this.surfer.on(event, () => onEvent(event, this));
    this.surfer.on("interaction", () => onEvent("interaction", this));
  }

  colours() {
    const wave = this.name === "A" ? "--wave-a" : "--wave-b";
    return { waveColor: colour(wave), progressColor: colour(`${wave}-played`), cursorColor: colour("--pico-color") };
  }

  async load(path, signal) {
    const blob = await sound(path, signal);
    await this.surfer.loadBlob(blob);
    if (signal.aborted) return;
    this.path = path;
    this.loudness = await loudness(this.surfer.getDecodedData());
  }
}

export class Deck {
  constructor(containers, onChange) {
    this.onChange = onChange;
    this.heard = "B";
    this.loop = false;
    this.equal = true;
    this.problem = "";
    this.loading = {};
    const onEvent = (event, side) => this.happened(event, side);
    this.sides = { A: new Side(containers.A, "A", onEvent), B: new Side(containers.B, "B", onEvent) };
  }

  /** Load what isn't loaded yet; the newest call for a side wins. `play` starts it from the beginning. */
  async load(name, path, play = false) {
    const side = this.sides[name];
    if (this.loading[name]?.path === path || (side.path === path && !this.loading[name])) {
      if (play) this.play(name, 0);
      return;
    }
    this.loading[name]?.controller.abort();
    const controller = new AbortController();
    this.loading[name] = { path, controller };
    const playing = this.playing;
    this.onChange();
    try {
      await side.load(path, controller.signal);
      this.problem = "";
    } catch (error) {
      if (controller.signal.aborted) return;
      side.path = null;
      this.problem = error instanceof DOMException ? "This browser can't play the file; download it instead." : error.message;
    }
    if (controller.signal.aborted) return;
    delete this.loading[name];
    this.balance();
    if (play) this.play(name, 0);
    else if (playing && this.heard === name) this.play(name, 0);
    this.onChange();
  }

  get playing() {
    return Object.values(this.sides).some((side) => side.surfer.isPlaying());
  }

  /** By how many dB the louder side is lowered, as text; empty when they are as they are. */
  get lowered() {
    if (!this.equal) return "";
    const { A, B } = this.sides;
    const louder = difference(A.loudness, B.loudness);
    if (Math.abs(louder) < 0.1) return "";
    return `${louder > 0 ? "A" : "B"} −${Math.abs(louder).toFixed(1)} dB`;
  }

  balance() {
    const { A, B } = this.sides;
    const gains = this.equal ? matched(A.loudness, B.loudness) : [1, 1];
    A.surfer.setVolume(gains[0]);
    B.surfer.setVolume(gains[1]);
  }

  setEqual(equal) {
    this.equal = equal;
    this.balance();
    this.onChange();
  }

  play(name = this.heard, from = null) {
    const at = from ?? this.sides[this.heard].surfer.getCurrentTime();
    for (const [other, side] of Object.entries(this.sides)) if (other !== name) side.surfer.pause();
    this.heard = name;
    const { surfer } = this.sides[name];
    if (!this.sides[name].path) return;
    surfer.setTime(at >= surfer.getDuration() - 0.02 ? 0 : at);
    surfer.play().catch(() => {});
    this.onChange();
  }

  toggle() {
    if (this.playing) for (const side of Object.values(this.sides)) side.surfer.pause();
    else this.play();
  }

  /** Hear the other side from the same place. */
  hear(name) {
    if (this.playing) this.play(name);
    else {
      this.sides[name].surfer.setTime(this.sides[this.heard].surfer.getCurrentTime());
      this.heard = name;
      this.onChange();
    }
  }

  happened(event, side) {
    if (event === "interaction" && this.heard !== side.name) {
      const at = side.surfer.getCurrentTime();
      if (this.playing) this.play(side.name, at);
      else this.heard = side.name;
    }
    if (event === "finish" && this.loop && this.heard === side.name) this.play(side.name, 0);
    this.onChange();
  }

  recolour() {
    for (const side of Object.values(this.sides)) side.surfer.setOptions(side.colours());
  }

  destroy() {
    for (const { controller } of Object.values(this.loading)) controller.abort();
    for (const side of Object.values(this.sides)) side.surfer.destroy();
  }
}
