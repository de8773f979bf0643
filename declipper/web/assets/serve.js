"use strict";
// A recording on its way: dropped, sent, inspected, restored, judged, taken. The server is asked twice a second how far it is, which also
// tells it that this tab is still open; when the tab is closed, the recording goes.

const element = (id) => document.getElementById(id);
const ASK_MS = 500;
const LOWEST = -30; // dBFS, the left end of the histogram and of the slider; its right end is 3
const HIGHEST = 3;
const STEPS = { detect: "finding what is clipped", unwrap: "unwrapping", inspect: "inspecting", restore: "restoring" };

let key = null; // of the recording at the server
let found = null; // what was found in it
let shown = ""; // the state that is shown

const address = (...parts) => ["jobs", key, ...parts].join("/");

function complain(text) {
  element("error").textContent = text;
  element("working").hidden = true;
}

function working(text, share) {
  element("working").hidden = false;
  element("doing").textContent = text;
  if (share === undefined) element("progress").removeAttribute("value");
  else element("progress").value = share;
}

function leave() {
  if (key) fetch(address(), { method: "DELETE", keepalive: true });
  key = found = null;
  shown = "";
}

function send(file) {
  leave();
  for (const id of ["found", "done"]) element(id).hidden = true;
  element("page").removeAttribute("src");
  complain("");
  const largest = Number(document.body.dataset.largest);
  if (file.size > largest) return complain(`${file.name}: recordings of up to ${Math.round(largest / 1e6)} MB are taken`);
  const request = new XMLHttpRequest();
  request.open("PUT", `jobs?name=${encodeURIComponent(file.name)}`);
  request.responseType = "json";
  request.upload.onprogress = (event) => working(`${file.name}: sending`, event.loaded / event.total);
  request.onerror = () => complain(`${file.name}: the server did not take it`);
  request.onload = () => {
    if (request.status !== 201) return complain(`${file.name}: ${request.response?.error ?? "the server did not take it"}`);
    key = request.response.key;
    ask();
  };
  request.send(file);
}

async function ask() {
  const asked = key;
  let status = null;
  try {
    const answer = await fetch(address());
    status = await answer.json();
    if (!answer.ok) throw new Error(status.error);
  } catch (error) {
    if (asked === key) complain(error instanceof TypeError ? "The server has ended." : error.message);
    return;
  }
  if (asked !== key) return;
  show(status);
  setTimeout(() => asked === key && ask(), ASK_MS);
}

function show(status) {
  if (status.state === "inspecting" || status.state === "restoring") {
    working(`${status.name}: ${STEPS[status.step] ?? "waiting"}`, status.share);
  } else element("working").hidden = true;
  element("restore").disabled = status.state === "restoring";
  if (status.state === shown) return;
  shown = status.state;
  if (status.state === "failed") complain(status.error);
  if (status.state === "inspected" && !found) showFound(status);
  if (status.state === "restored") {
    element("done").hidden = false;
    element("download").href = address("restored");
    element("page").src = address("page");
  }
}

function showFound(status) {
  found = status.result;
  element("found").hidden = false;
  element("name").textContent = status.name;
  element("told").textContent = found.told;
  element("details").textContent = found.details;
  element("byhand").checked = false;
  element("threshold").disabled = true;
  element("threshold").value = found.levels.length ? Math.min(...found.levels) : 0;
  showLevels();
}

const decibels = (level) => 20 * Math.log10(level);

// How many samples have which level, with a logarithmic height; and the threshold.
function showLevels() {
  const byHand = element("byhand").checked;
  const threshold = Number(element("threshold").value);
  const levels = byHand ? [threshold] : found.levels;
  element("threshold").disabled = !byHand;
  element("dbfs").textContent = byHand ? `${threshold.toFixed(2)} dBFS` : levels.length ? "found by itself" : "none was found";
  const canvas = element("levels");
  canvas.width = canvas.clientWidth;
  canvas.height = canvas.clientHeight;
  const context = canvas.getContext("2d");
  const across = (dbfs) => ((dbfs - LOWEST) / (HIGHEST - LOWEST)) * canvas.width;
  const most = Math.log10(1 + Math.max(...found.histogram));
  found.histogram.forEach((count, bin) => {
    const begin = Math.floor(across(decibels(Math.max(bin * found.step, 1e-9))));
    const end = Math.ceil(across(decibels((bin + 1) * found.step)));
    const height = (Math.log10(1 + count) / most) * (canvas.height - 18);
    context.fillStyle = levels.length && decibels((bin + 1) * found.step) > Math.min(...levels) ? "#D55E00" : "#0072B2";
    context.fillRect(begin, canvas.height - height, Math.max(1, end - begin), height);
  });
  context.fillStyle = "#000";
  context.font = "12px system-ui, sans-serif";
  for (let tick = LOWEST + 6; tick < HIGHEST; tick += 6) {
    context.fillRect(across(tick), 0, 1, 4);
    context.fillText(tick, across(tick) + 3, 12);
  }
  for (const level of levels) context.fillRect(across(level) - 1, 0, 2, canvas.height);
}

async function restore() {
  element("done").hidden = true;
  const threshold = element("byhand").checked ? Number(element("threshold").value) : null;
  complain("");
  working("waiting");
  element("restore").disabled = true;
  const answer = await fetch(address("restore"), { method: "POST", body: JSON.stringify({ quality: element("quality").value, threshold }) });
  if (!answer.ok) complain((await answer.json()).error);
  shown = "restoring";
}

element("file").addEventListener("change", (event) => event.target.files.length && send(event.target.files[0]));
element("byhand").addEventListener("change", showLevels);
element("threshold").addEventListener("input", showLevels);
element("restore").addEventListener("click", restore);
window.addEventListener("resize", () => found && showLevels());
window.addEventListener("pagehide", leave);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
});
document.addEventListener("dragleave", () => element("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
});
