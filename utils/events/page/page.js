"use strict";
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const { edges, score, names, likeliest, share } = JSON.parse(find("#data").textContent);
const end = edges.at(-1);
const longestRow = edges.reduce((most, at, i) => Math.max(most, at - edges[Math.max(i - 1, 0)]), 0);
const SLACK = 0.001; // seconds: players and these numbers are rounded in different ways
const video = find("video"), lanes = find(".lanes"), scroller = find(".scroller");
const rows = all("tr[data-start]");
const starts = rows.map((row) => Number(row.dataset.start));
let now = 0;

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, tenths = Math.round(seconds * unit);
  const s = Math.floor(tenths / unit), two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60), hours = Math.floor(minutes / 60);
  const text = hours ? `${hours}:${two(minutes % 60)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
  return digits ? `${text}.${tenths % unit}` : text;
}

// The last snippet that begins at or before a time.
function snippetAt(time) {
  let low = 0, high = score.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (edges[middle] <= time + SLACK) low = middle; else high = middle - 1;
  }
  return low;
}

function describe(time) {
  const t = snippetAt(time);
  const what = names ? `, share of ${names[likeliest[t]]} ${share[t].toFixed(2)}` : "";
  return `${clock(time)}: abnormality ${score[t].toFixed(2)}${what}`;
}

// Move the playhead, and with it everything that tells where it is.
function show(time) {
  now = Math.min(Math.max(time, 0), end);
  find(".playhead").style.left = `${100 * now / end}%`;
  find("output").textContent = describe(now);
  find("#time").value = now;
  find("#time").setAttribute("aria-valuetext", describe(now));
  reveal();
  for (const row of rows) {
    const on = row.dataset.start <= now + SLACK && now + SLACK < row.dataset.end;
    if (on) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
  }
}

function seek(time) {
  show(time);
  video.currentTime = now; // kept until the video is there, if it is not yet
}

// Scroll what is zoomed to where the playhead is.
function reveal() {
  const x = now / end * lanes.clientWidth, left = scroller.scrollLeft;
  if (x < left || x > left + scroller.clientWidth) scroller.scrollLeft = x - scroller.clientWidth / 10;
}

function follow() {
  show(video.currentTime);
  if (!video.paused) requestAnimationFrame(follow);
}
video.addEventListener("play", follow);
video.addEventListener("seeked", () => show(video.currentTime));

// A video that is not where it was, or of which the browser plays nothing or the sound alone.
function check() {
  const known = video.readyState >= HTMLMediaElement.HAVE_METADATA;
  const chosen = video.src && video.error;
  const trouble = {
    missing: !chosen && (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE),
    unplayable: chosen || (known && !video.videoWidth),
    other: known && Math.abs(video.duration - end) > 2 + longestRow, // an unfinished row is left out
  };
  for (const [id, holds] of Object.entries(trouble)) find(`#${id}`).hidden = !holds;
  find("#trouble").hidden = !Object.values(trouble).some(Boolean);
}
const sources = all("source");
if (sources.length) {
  sources.at(-1).addEventListener("error", () => setTimeout(check));
  window.addEventListener("load", check); // whatever failed before this script began
}
for (const kind of ["error", "loadedmetadata"]) video.addEventListener(kind, check);
find("input[type=file]").addEventListener("change", (event) => {
  const at = now;
  sources.forEach((source) => source.remove());
  video.src = URL.createObjectURL(event.target.files[0]);
  video.hidden = false;
  video.currentTime = at;
});

// Pointer: a click goes there, dragging scrubs, hovering tells what is there.
const timeAt = (event) => {
  const box = lanes.getBoundingClientRect();
  return end * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
};
lanes.addEventListener("click", (event) => {
  if (!event.target.closest("[data-seek]")) seek(timeAt(event));
});
lanes.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && event.buttons === 1) seek(timeAt(event));
  else find("output").textContent = describe(timeAt(event));
});
lanes.addEventListener("pointerleave", () => { find("output").textContent = describe(now); });
for (const button of all("[data-seek]")) {
  button.addEventListener("click", (event) => {
    seek(Number(button.dataset.seek));
    if (event.detail) button.blur(); // by the pointer: the next space shall play
  });
}
find("#time").addEventListener("input", (event) => seek(Number(event.target.value)));

// Time axis: as many round steps as there is room for.
function draw() {
  const width = lanes.clientWidth, room = 64;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = steps.find((s) => s / end * width >= room) ?? 86400 * Math.ceil(end / width);
  const ticks = [];
  for (let t = 0; t === 0 || t + step / 2 < end; t += step) {
    const tick = document.createElement("span");
    tick.textContent = clock(t, 0);
    tick.style.left = `${100 * t / end}%`;
    ticks.push(tick);
  }
  find(".ticks").replaceChildren(...ticks);
}
new ResizeObserver(draw).observe(lanes);
function zoom(level) {
  find("#zoom").value = level;
  lanes.style.width = `${100 * 2 ** find("#zoom").value}%`;
  scroller.scrollLeft = now / end * lanes.clientWidth - scroller.clientWidth / 2;
}
find("#zoom").addEventListener("input", (event) => zoom(event.target.value));

const keys = {
  " ": () => {
    if (!video.videoWidth) return;
    if (video.paused) video.play(); else video.pause();
  },
  ArrowLeft: () => seek(now - 5),
  ArrowRight: () => seek(now + 5),
  ",": () => seek(edges[Math.max(snippetAt(now) - 1, 0)]),
  ".": () => seek(edges[Math.min(snippetAt(now) + 1, score.length - 1)]),
  n: () => seek(starts.find((start) => start > now + 0.01) ?? now),
  p: () => seek(starts.findLast((start) => start < now - (video.paused ? 0.01 : 1)) ?? now),
  "+": () => zoom(Number(find("#zoom").value) + 1),
  "-": () => zoom(Number(find("#zoom").value) - 1),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("#zoom, [type=file], video")) return; // which have keys of their own
  if (event.key === " " && event.target.matches("button, a")) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
