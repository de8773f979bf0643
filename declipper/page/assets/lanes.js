"use strict";
// The waveform and spectrogram of each signal, one lane below the other, with one time axis: wavesurfer.js draws, zooms and scrolls; what
// is clipped is coloured here, and has a tick at the edge, for those who cannot tell the colours.

const COLOURS = { original: "#0072B2", restored: "#009E73", difference: "#CC79A7", clipped: "#D55E00" }; // Okabe and Ito's
const STRIP = 64; // height of one channel in pixels

// Signals and marks of clipping, in turns for each channel, as wavesurfer hands them to its render function.
function drawStrips(arrays, context, colour) {
  const { width, height } = context.canvas;
  const strip = height / (arrays.length / 2);
  for (let channel = 0; channel < arrays.length / 2; channel++) {
    const signal = arrays[2 * channel];
    const marks = arrays[2 * channel + 1];
    const top = channel * strip;
    const step = signal.length / width;
    for (let x = 0; x < width; x++) {
      const begin = Math.floor(x * step);
      const end = Math.max(begin + 1, Math.floor((x + 1) * step));
      let low = Infinity;
      let high = -Infinity;
      let clipped = 0;
      for (let i = begin; i < end && i < signal.length; i++) {
        low = Math.min(low, signal[i]);
        high = Math.max(high, signal[i]);
        clipped = clipped || marks[i];
      }
      context.fillStyle = clipped ? COLOURS.clipped : colour;
      context.fillRect(x, top + (0.5 - high / 2) * strip, 1, Math.max(1, ((high - low) / 2) * strip));
      if (clipped) context.fillRect(x, clipped > 0 ? top : top + strip - 5, 1, 5);
    }
  }
}

class Lanes {
  // onSeek: called with seconds when a lane is clicked
  constructor(elements, onSeek) {
    this.elements = elements; // of original, restored and difference
    this.onSeek = onSeek;
    this.surfers = {};
  }

  // signals: {name: arrays for drawStrips}, none of them beyond 1
  load(signals, seconds, rate) {
    for (const surfer of Object.values(this.surfers)) surfer.destroy();
    for (const [name, arrays] of Object.entries(signals)) {
      const surfer = WaveSurfer.create({
        container: this.elements[name],
        height: (STRIP * arrays.length) / 2,
        peaks: arrays,
        duration: seconds,
        cursorColor: "#000",
        cursorWidth: 2,
        renderFunction: (channels, context) => drawStrips(channels, context, COLOURS[name]),
        plugins: [
          WaveSurfer.Timeline.create({ height: 18, secondaryLabelOpacity: 1, style: { fontSize: "12px", color: "#333" } }),
          WaveSurfer.Spectrogram.create({
            rendering: "windowed",
            height: 96,
            fftSamples: 1024,
            scale: "mel",
            frequencyMax: rate / 2,
            colorMap: "gray",
            labels: false,
          }),
        ],
      });
      surfer.on("interaction", (time) => this.onSeek(time));
      surfer.on("scroll", (_begin, _end, left) => this.scrollTo(left, surfer));
      this.surfers[name] = surfer;
    }
    return Promise.all(Object.values(this.surfers).map((surfer) => new Promise((ready) => surfer.once("ready", ready))));
  }

  scrollTo(left, from) {
    for (const other of Object.values(this.surfers)) {
      if (other !== from && Math.abs(other.getScroll() - left) > 1) other.setScroll(left);
    }
  }

  set position(seconds) {
    for (const surfer of Object.values(this.surfers)) surfer.setTime(seconds);
  }

  // pixels for a second, at least; 0 shows the whole
  zoom(pixels) {
    for (const surfer of Object.values(this.surfers)) surfer.zoom(pixels);
  }
}
