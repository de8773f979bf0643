"use strict";
// Plays the three signals of an excerpt in step, and lets one of them be heard. All three run all the time from one clock; each goes
// through a weight, and to switch is to let one weight rise while the others fall. Their sum stays 1, so there is no gap and no jump.

const FADE_SECONDS = 0.003; // time constant of a switch: too short to be heard as a fade, too long to click

class Player {
  constructor(rate, onEnd) {
    this.rate = rate;
    this.onEnd = onEnd;
    this.selected = "original";
    this.playing = false;
    this.offset = 0; // seconds into the excerpt where playing began, or goes on
    this.loop = null; // [begin, end] in seconds
  }

  // buffers, gains: of original, restored and difference
  load(buffers, gains) {
    this.pause();
    this.buffers = buffers;
    this.gains = gains;
    this.offset = 0;
    this.loop = null;
  }

  get duration() {
    return this.buffers.original.duration;
  }

  get position() {
    if (!this.playing) return this.offset;
    let at = this.offset + Math.max(0, this.context.currentTime - this.began);
    if (this.loop && at >= this.loop[1]) at = this.loop[0] + ((at - this.loop[0]) % (this.loop[1] - this.loop[0]));
    return Math.min(at, this.duration);
  }

  play() {
    this.context ??= new AudioContext({ sampleRate: this.rate });
    this.context.resume();
    if (this.offset >= this.duration) this.offset = 0;
    this.began = this.context.currentTime + 0.02;
    this.tracks = Object.entries(this.buffers).map(([name, buffer]) => {
      const source = new AudioBufferSourceNode(this.context, { buffer });
      const gain = new GainNode(this.context, { gain: this.gains[name] });
      const weight = new GainNode(this.context, { gain: name === this.selected ? 1 : 0 });
      source.connect(gain).connect(weight).connect(this.context.destination);
      if (this.loop) Object.assign(source, { loop: true, loopStart: this.loop[0], loopEnd: this.loop[1] });
      source.start(this.began, this.offset);
      return { name, source, weight };
    });
    this.tracks[0].source.onended = () => {
      this.pause();
      this.offset = this.duration;
      this.onEnd();
    };
    this.playing = true;
  }

  pause() {
    if (!this.playing) return;
    this.offset = this.position;
    this.playing = false;
    for (const { source, weight } of this.tracks) {
      source.onended = null;
      source.stop();
      weight.disconnect();
    }
  }

  // Goes on from there if it plays. loop: what is repeated, null for nothing
  seek(seconds, loop = null) {
    const goesOn = this.playing;
    this.pause();
    this.offset = Math.min(Math.max(0, seconds), this.duration);
    this.loop = loop;
    if (goesOn) this.play();
  }

  select(name) {
    this.selected = name;
    if (!this.playing) return;
    for (const track of this.tracks) {
      track.weight.gain.setTargetAtTime(track.name === name ? 1 : 0, this.context.currentTime, FADE_SECONDS);
    }
  }
}
