// Live pictures, as fast as they come and no faster than allowed; nothing is asked for while nobody looks.
"use strict";

const section = document.querySelector(".cameras");
const figures = [...section.querySelectorAll(".camera")];
const pause = ms => new Promise(done => setTimeout(done, ms));

function looked() {
  if (!document.hidden) return Promise.resolve();
  return new Promise(done => document.addEventListener("visibilitychange", done, {once: true})).then(looked);
}

// Which cameras are seen so large that small pictures would look coarse. The many dots of a phone do not count in full.
function large() {
  const dots = Math.min(devicePixelRatio, 1.5);
  return figures.filter(figure => figure.clientWidth * dots > 720).map(figure => figure.dataset.camera);
}

async function follow() {
  for (;;) {
    await looked();
    const over = new AbortController(), larges = large();
    const watch = setInterval(() => { if (document.hidden || large().join() !== larges.join()) over.abort(); }, 250);
    try {
      const query = new URLSearchParams(larges.map(name => ["large", name]));
      const answer = await fetch(`/live/pictures?${query}`, {signal: over.signal});
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      await take(answer.body.getReader());
    } catch {
      if (!over.signal.aborted) await pause(2000);
    } finally {
      clearInterval(watch);
    }
  }
}

// Each picture comes after a line that says whose it is, and how many bytes it has.
async function take(reader) {
  let bytes = new Uint8Array();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const more = new Uint8Array(bytes.length + value.length);
    more.set(bytes);
    more.set(value, bytes.length);
    bytes = more;
    for (let line; (line = bytes.indexOf(10)) >= 0;) {
      const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line))), end = line + 1 + head.bytes;
      if (bytes.length < end) break;
      await draw(head.camera, bytes.slice(line + 1, end));
      bytes = bytes.slice(end);
    }
  }
}

async function draw(camera, jpeg) {
  const figure = figures.find(one => one.dataset.camera === camera);
  if (!figure) return;
  const image = figure.querySelector("img"), before = image.src;
  image.src = URL.createObjectURL(new Blob([jpeg], {type: "image/jpeg"}));
  await image.decode().catch(() => {});
  image.hidden = false;
  if (before) URL.revokeObjectURL(before);
}

function show(camera) {
  const figure = figures.find(one => one.dataset.camera === camera.name);
  if (!figure) return;
  figure.className = `camera ${camera.state}`;
  const words = {".state span": camera.word, ".nothing": camera.word, ".now": camera.people, ".about": camera.about, ".reason": camera.reason};
  for (const [where, text] of Object.entries(words)) {
    const place = figure.querySelector(where);
    if (place.textContent !== text) place.textContent = text;
  }
}

async function listen() {
  const recent = document.querySelector(".recent"), lost = document.getElementById("lost");
  const said = document.getElementById("said");
  let newest = null, html = recent.innerHTML;
  for (;;) {
    await looked();
    try {
      const answer = await fetch("/live/now", {headers: {"Accept": "application/json"}});
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      lost.hidden = true;
      told.cameras.forEach(show);
      if (told.recent !== html) {
        html = told.recent;
        recent.innerHTML = html;  // made by the server, names escaped
      }
      if (newest !== null && told.newest && told.newest !== newest) {
        said.textContent = told.said;
        const first = recent.querySelector(".person");
        if (first) first.classList.add("new");
      }
      newest = told.newest;
    } catch {
      lost.hidden = false;
    }
    await pause(1000);
  }
}

for (const figure of figures) {
  const large = figure.querySelector(".large");
  if (!figure.requestFullscreen) large.hidden = true;
  large.addEventListener("click", () => document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen());
}
follow();
listen();
