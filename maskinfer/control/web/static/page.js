// What several pages need: requests that change something, and buttons of the report.
"use strict";

async function change(path, data) {
  const csrf = document.querySelector('meta[name="csrf"]').content;
  const headers = {"Content-Type": "application/json", "Accept": "application/json", "X-CSRF-Token": csrf};
  const answer = await fetch(path, {method: "PUT", headers, body: JSON.stringify(data)});
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || "This could not be saved.");
  return told;
}

// A chart with its colours as they are shown, as a picture.
async function savePicture(svg, name) {
  const copy = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const theirs = [...copy.querySelectorAll("*")];
  [...svg.querySelectorAll("*")].forEach((node, i) => {
    const seen = getComputedStyle(node);
    for (const name of ["fill", "stroke", "font-size", "font-family"]) theirs[i].setAttribute(name, seen.getPropertyValue(name));
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], {type: "image/svg+xml"}));
  const image = new Image();
  image.src = url;
  await image.decode();
  URL.revokeObjectURL(url);
  const canvas = document.createElement("canvas"), scale = 2, margin = 24;
  canvas.width = (width + 2 * margin) * scale;
  canvas.height = (height + 2 * margin) * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--card");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, margin, margin, width, height);
  const data = await new Promise(done => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// On a phone the form that chooses is folded, until something was chosen.
const folds = document.querySelector(".folds");
if (folds && innerWidth <= 700) {
  folds.open = Boolean(location.search);
  folds.querySelector("summary").classList.add("shown");
}

const png = document.getElementById("png"), print = document.getElementById("print");
const chart = document.querySelector("#chart svg.chart");
if (png && chart) {
  png.hidden = false;
  png.addEventListener("click", () => savePicture(chart, png.dataset.name));
}
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
