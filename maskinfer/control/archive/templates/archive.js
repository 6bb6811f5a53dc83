"use strict";
const clips = JSON.parse(document.getElementById("clips").textContent);
const dialog = document.querySelector("dialog");
const video = dialog.querySelector("video");
const svg = dialog.querySelector("svg");
const rect = dialog.querySelector("rect");
const trouble = dialog.querySelector(".trouble");
const cards = [...document.querySelectorAll(".moments li")];
let current = null;

function open(card) {
  const button = card.querySelector("button");
  const clip = clips[button.dataset.number];
  if (!clip) return;
  current = { card, clip };
  trouble.hidden = true;
  dialog.querySelector(".words").textContent =
    [...card.querySelectorAll("p")].map((line) => line.textContent.trim()).join(" \u00b7 ");
  svg.setAttribute("viewBox", `0 0 ${clip.size[0]} ${clip.size[1]}`);
  const source = new URL(clip.src, document.baseURI).href;
  if (video.src !== source) video.src = source;
  if (!dialog.open) dialog.showModal();
  play();
}

function play() {
  video.currentTime = current.clip.from;
  video.play().catch(() => {});
}

// Where the face is now, on a straight line between the two times that are known.
function boxAt(boxes, time) {
  const after = boxes.findIndex((box) => box[0] >= time);
  if (after < 0 || !boxes.length || time < boxes[0][0] - 0.1) return null;
  const high = boxes[after], low = boxes[Math.max(0, after - 1)];
  const share = high[0] > low[0] ? (time - low[0]) / (high[0] - low[0]) : 1;
  return [1, 2, 3, 4].map((i) => low[i] + (high[i] - low[i]) * share);
}

function draw() {
  if (!current || !dialog.open) return;
  const box = boxAt(current.clip.boxes, video.currentTime);
  rect.style.visibility = box ? "visible" : "hidden";
  if (box) {
    for (const [name, value] of [["x", box[0]], ["y", box[1]], ["width", box[2] - box[0]], ["height", box[3] - box[1]]]) {
      rect.setAttribute(name, value);
    }
  }
  if (video.currentTime >= current.clip.to && !video.paused) video.pause();
  requestAnimationFrame(draw);
}

function step(by) {
  const shown = cards.filter((card) => !card.hidden && !card.querySelector("button").disabled);
  const next = shown[shown.indexOf(current.card) + by];
  if (next) open(next);
}

function filter(form) {
  const labels = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
  const name = form.elements.name ? form.elements.name.value : "";
  for (const card of cards) card.hidden = !labels.has(card.dataset.label) || (name !== "" && card.dataset.name !== name);
  form.querySelector("output").textContent = cards.filter((card) => !card.hidden).length;
}

for (const card of cards) card.querySelector("button").addEventListener("click", () => open(card));
for (const form of document.querySelectorAll(".filters")) form.addEventListener("change", () => filter(form));
for (const key of dialog.querySelectorAll("[data-step]")) key.addEventListener("click", () => step(+key.dataset.step));
dialog.querySelector("[data-again]").addEventListener("click", play);
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { video.pause(); current = null; });
dialog.addEventListener("keydown", (event) => {
  if (event.target === video) return;
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});
video.addEventListener("play", () => requestAnimationFrame(draw));
video.addEventListener("seeked", draw);
video.addEventListener("error", () => {
  if (!current) return;
  trouble.textContent = `This browser cannot play ${current.card.dataset.name}. Open it in a player, such as mpv or VLC, at `
    + `${current.card.querySelector("time").textContent}; an annotated .mp4 copy plays here.`;
  trouble.hidden = false;
});
