"use strict";
// Decodes what is embedded in the page, and connects player, lanes, close-up, list and blind test to buttons and keys.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const NO_RUNS = { start: [], length: [], channel: [], bound: [] };
const NAMES = ["original", "restored", "difference"];
const linear = (db) => 10 ** (db / 20);

const player = new Player(data.rate, () => show());
const lanes = new Lanes(Object.fromEntries(NAMES.map((name) => [name, element(`lane-${name}`)])), (time) => seek(time));
let excerpt = null; // what is heard: {number, original, restored, runs}
let listed = -1; // the row of the list that was jumped to
let blind = null;

async function decoded(base64, scale) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const buffer = await new OfflineAudioContext(1, 1, data.rate).decodeAudioData(bytes.buffer);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    const samples = buffer.getChannelData(c);
    for (let i = 0; i < samples.length; i++) samples[i] *= scale;
  }
  return buffer;
}

function differenceOf(one, other) {
  const made = new AudioBuffer({ numberOfChannels: one.numberOfChannels, length: one.length, sampleRate: one.sampleRate });
  for (let c = 0; c < one.numberOfChannels; c++) {
    const [x, y, out] = [one.getChannelData(c), other.getChannelData(c), made.getChannelData(c)];
    for (let i = 0; i < out.length; i++) out[i] = y[i] - x[i];
  }
  return made;
}

// For the lanes: each channel's samples, divided so that none lies beyond 1, and then its marks: 1 or -1 where it is clipped, else 0.
function strips(buffer, scale, runs) {
  return Array.from({ length: 2 * buffer.numberOfChannels }, (_, index) => {
    const channel = index >> 1;
    if (index % 2 === 0) return buffer.getChannelData(channel).map((sample) => sample / scale);
    const marks = new Float32Array(buffer.length);
    runs.start.forEach((start, run) => {
      if (runs.channel[run] === channel) marks.fill(Math.sign(runs.bound[run]), start, start + runs.length[run]);
    });
    return marks;
  });
}

function largest(buffer) {
  let most = 1e-6;
  for (let c = 0; c < buffer.numberOfChannels; c++) for (const sample of buffer.getChannelData(c)) most = Math.max(most, Math.abs(sample));
  return most;
}

async function load(number) {
  const source = data.excerpts[number];
  const [original, restored] = await Promise.all([decoded(source.original, source.scale), decoded(source.restored, source.scale)]);
  const difference = differenceOf(original, restored);
  const volume = linear(source.volumeDb);
  player.load({ original, restored, difference }, { original: volume, restored: volume * linear(source.matchDb), difference: volume });
  excerpt = { number, original, restored, runs: source.runs };
  const scale = Math.max(largest(original), largest(restored));
  await lanes.load(
    {
      original: strips(original, scale, source.runs),
      restored: strips(restored, scale, source.runs),
      difference: strips(difference, Math.max(largest(difference), scale / 100), NO_RUNS),
    },
    player.duration,
    data.rate,
  );
  zoom();
  all("[data-excerpt]").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.excerpt) === number));
  element("match").textContent =
    `The restored sound plays ${turned(source.matchDb)} than it is, so that it is as loud as the recording (BS.1770)` +
    (source.volumeDb < 0 ? `; all of it plays ${turned(source.volumeDb)}, so that no peak is cut off.` : ".");
  show();
}

const turned = (db) => `${Math.abs(db).toFixed(1)} dB ${db < 0 ? "quieter" : "louder"}`;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(3).padStart(6, "0")}`;

// Brings all that is seen in line with the player.
function show() {
  const at = player.position;
  lanes.position = at;
  element("position").textContent = clock(data.excerpts[excerpt.number].first / data.rate + at);
  element("play").textContent = player.playing ? "Pause" : "Play";
  const { original, restored, runs } = excerpt;
  if (!blind) drawCloseUp(element("closeup"), { original, restored, runs, centre: at * data.rate, frames: closeUpFrames() });
}

function animate() {
  if (!player.playing) return;
  show();
  requestAnimationFrame(animate);
}

function togglePlay() {
  if (player.playing) player.pause();
  else player.play();
  show();
  animate();
}

function select(name) {
  player.select(name);
  all("[data-signal]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.signal === name));
  all(".lane").forEach((lane) => lane.classList.toggle("heard", lane.dataset.lane === name));
}

// What is repeated when asked for: the second round a place.
const repeated = (seconds) =>
  element("repeat").checked ? [Math.max(0, seconds - 0.5), Math.min(player.duration, seconds + 0.5)] : null;

function seek(seconds, begin = seconds) {
  player.seek(begin, repeated(seconds));
  show();
}

async function jump(row) {
  const rows = all("button[data-frame]");
  if (!rows.length) return;
  listed = Math.min(Math.max(0, row), rows.length - 1);
  const { frame, place } = rows[listed].dataset;
  if (Number(place) !== excerpt.number) await load(Number(place));
  seek(Number(frame) / data.rate);
  all("tr.listed").forEach((other) => other.classList.remove("listed"));
  rows[listed].closest("tr").classList.add("listed");
  rows[listed].scrollIntoView({ block: "nearest" });
}

const closeUpFrames = () => Math.max(16, Math.round((10 ** Number(element("width").value) / 1000) * data.rate));

function zoom() {
  const steps = Number(element("zoom").value);
  lanes.zoom(steps ? 20 * 2 ** steps : 0);
}

function startBlind() {
  blind = new BlindTest();
  document.body.classList.add("blind");
  element("trials").hidden = false;
  element("answer").textContent = "";
  hear(0);
  showTrial();
}

function endBlind(answer) {
  element("answer").textContent = answer;
  element("trials").hidden = true;
  document.body.classList.remove("blind");
  blind = null;
  select("original");
  show();
}

function hear(number) {
  player.select(blind.order[number]);
  all("[data-hear]").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.hear) === number));
}

function choose(number) {
  blind.choose(number);
  if (blind.over) endBlind(blind.answer);
  else {
    hear(0);
    showTrial();
  }
}

function showTrial() {
  element("trial").textContent = `Choice ${blind.trial} of ${TRIALS}`;
}

const KEYS = {
  " ": togglePlay,
  a: () => (blind ? hear(0) : select("original")),
  b: () => (blind ? hear(1) : select("restored")),
  x: () => blind || select("difference"),
  ArrowLeft: (event) => seek(player.position - (event.shiftKey ? 0.01 : 1)),
  ArrowRight: (event) => seek(player.position + (event.shiftKey ? 0.01 : 1)),
  ArrowUp: () => blind || jump(listed - 1),
  ArrowDown: () => blind || jump(listed + 1),
};

document.addEventListener("keydown", (event) => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const { tagName } = event.target;
  const busy = tagName === "INPUT" || (tagName === "BUTTON" && key === " ");
  if (event.ctrlKey || event.metaKey || event.altKey || busy || !(key in KEYS)) return;
  event.preventDefault();
  KEYS[key](event);
});

element("play").addEventListener("click", togglePlay);
element("repeat").addEventListener("change", () => seek(player.position));
element("zoom").addEventListener("input", zoom);
element("width").addEventListener("input", show);
element("blind").addEventListener("click", startBlind);
element("stop").addEventListener("click", () => endBlind(""));
all("[data-signal]").forEach((button) => button.addEventListener("click", () => select(button.dataset.signal)));
all("[data-hear]").forEach((button) => button.addEventListener("click", () => hear(Number(button.dataset.hear))));
all("[data-choose]").forEach((button) => button.addEventListener("click", () => choose(Number(button.dataset.choose))));
all("[data-excerpt]").forEach((button) => button.addEventListener("click", () => load(Number(button.dataset.excerpt))));
all("button[data-frame]").forEach((button, row) => button.addEventListener("click", () => jump(row)));
window.addEventListener("resize", () => excerpt && show());

load(0).then(() => {
  select("original");
  document.body.dataset.ready = "yes";
});
