"use strict";
// The samples round the cursor: the recording, its clipped samples as squares, its level as a dashed line, and the restoration over it.

function drawCloseUp(canvas, { original, restored, runs, centre, frames }) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const channels = original.numberOfChannels;
  const strip = height / channels;
  const first = Math.round(centre - frames / 2);
  const begin = Math.max(0, first - 1);
  const end = Math.min(original.length, first + frames + 2);
  const across = (frame) => ((frame - first) / frames) * width;
  for (let channel = 0; channel < channels; channel++) {
    const [before, after] = [original.getChannelData(channel), restored.getChannelData(channel)];
    let peak = 1e-6;
    for (let i = begin; i < end; i++) peak = Math.max(peak, Math.abs(before[i]), Math.abs(after[i]));
    const down = (value) => (channel + 0.5 - (0.46 * value) / peak) * strip;
    const line = (data, colour, thickness) => {
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.setLineDash([]);
      context.beginPath();
      for (let i = begin; i < end; i++) context.lineTo(across(i), down(data[i]));
      context.stroke();
    };
    line(after, COLOURS.restored, 3);
    line(before, COLOURS.original, 1.5);
    const dots = frames < width / 4;
    context.fillStyle = COLOURS.original;
    if (dots) for (let i = begin; i < end; i++) context.fillRect(across(i) - 1, down(before[i]) - 1, 3, 3);
    context.fillStyle = context.strokeStyle = COLOURS.clipped;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    for (let run = firstRunAfter(runs, begin); run < runs.start.length && runs.start[run] < end; run++) {
      if (runs.channel[run] !== channel) continue;
      const stop = runs.start[run] + runs.length[run];
      for (let i = runs.start[run]; i < stop; i++) context.fillRect(across(i) - 2.5, down(before[i]) - 2.5, 5, 5);
      context.beginPath();
      context.moveTo(across(runs.start[run] - 2), down(runs.bound[run]));
      context.lineTo(across(stop + 1), down(runs.bound[run]));
      context.stroke();
    }
  }
  context.setLineDash([]);
  context.strokeStyle = "#000";
  context.beginPath();
  context.moveTo(across(centre), 0);
  context.lineTo(across(centre), height);
  context.stroke();
}

// The first run that may reach into the frames from `begin` on; runs are in the order of their starts, and hardly any is longer than this.
function firstRunAfter(runs, begin) {
  let [low, high] = [0, runs.start.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs.start[middle] < begin - 4096) low = middle + 1;
    else high = middle;
  }
  return low;
}
