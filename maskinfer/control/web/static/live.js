// Live pictures, as fast as they come and no faster than allowed; nothing is asked for while nobody looks.
"use strict";

const section = document.querySelector(".cameras");
const figures = [...section.querySelectorAll(".camera")];
const pause = ms => new Promise(done => setTimeout(done, ms));

function looked() {
  if (!document.hidden) return Promise.resolve();
  return new Promise(done => document.addEventListener("visibilitychange", done, {once: true})).then(looked);
}

async function follow(figure) {
  const image = figure.querySelector("img"), least = 1000 / Number(section.dataset.fps);
  let after = "0", asked = "", shown = "";
  for (;;) {
    await looked();
    const begun = performance.now();
    try {
      // A picture of the other size would come at once, though it is the same one: it counts as another.
      const size = figure.clientWidth * devicePixelRatio > 700 ? "large" : "small";
      const query = new URLSearchParams({camera: figure.dataset.camera, after: size === asked ? after : "0", size});
      asked = size;
      const answer = await fetch(`/live.jpg?${query}`);
      if (answer.status === 401) return location.reload();
      if (answer.status === 200) {
        after = answer.headers.get("X-Sequence");
        const url = URL.createObjectURL(await answer.blob());
        image.src = url;
        await image.decode().catch(() => {});
        image.hidden = false;
        if (shown) URL.revokeObjectURL(shown);
        shown = url;
      } else if (!answer.ok) {
        await pause(2000);
      }
    } catch {
      await pause(2000);
    }
    await pause(Math.max(20, least - (performance.now() - begun)));
  }
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
  follow(figure);
}
listen();
