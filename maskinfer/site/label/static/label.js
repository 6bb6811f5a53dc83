// One face at a time: keys answer, and the next one is there before one has looked up.

const csrf = document.querySelector('meta[name="csrf"]').content;
const canvas = document.getElementById("face"), paint = canvas.getContext("2d");
const said = document.getElementById("said"), help = document.getElementById("help");
const buttons = { move: document.getElementById("move"), add: document.getElementById("add"), whole: document.getElementById("whole") };
const WORDS = { with_mask: "Mask", without_mask: "No mask", incorrect_mask: "Worn badly", cannot_tell: "Cannot tell", no_face: "No face" };
const KEYS = { n: "no_face" };
for (const button of document.querySelectorAll("[data-label]")) {
  KEYS[button.dataset.key] = button.dataset.label;
  WORDS[button.dataset.label] ??= button.dataset.label.replaceAll("_", " ");
}
const SURROUNDINGS = 1.1; // of the face's longer side, on each side of it

let state = null, image = null, box = null, mode = "look", whole = false, busy = false, drag = null, queued = [];

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "X-CSRF-Token": csrf, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function tell(text, wrong = false) {
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

async function show(next) {
  const before = state && state.face ? state.face.picture : "";
  state = next;
  setMode("look");
  const done = state.total - state.left;
  document.getElementById("progress").max = Math.max(1, state.total);
  document.getElementById("progress").value = done;
  document.getElementById("count").textContent = `${done} of ${state.total}`;
  document.getElementById("speed").textContent = state.per_hour ? `${state.per_hour} an hour` : "";
  document.getElementById("undo").disabled = !state.can_undo;
  document.getElementById("end").hidden = state.face !== null;
  document.getElementById("main").hidden = state.face === null;
  if (!state.face) return;
  box = [...state.face.bbox];
  const when = state.face.taken.slice(0, 16).replace("T", " ");
  document.getElementById("about").textContent = `${state.face.camera}, ${when}${state.face.part === "test" ? ", to test on" : ""}`;
  if (state.face.picture !== before || !image) image = await load(`/pictures/${state.face.picture}.jpg`);
  draw();
  canvas.dataset.shown = `${state.face.picture} ${state.face.number}`;
}

function load(address) {
  return new Promise((resolve, reject) => {
    const found = new Image();
    found.onload = () => resolve(found);
    found.onerror = () => reject(new Error("The picture cannot be loaded."));
    found.src = address;
  });
}

// The part of the picture that is shown: left, top, side.
function view() {
  const [width, height] = state.face.size_wh;
  if (whole) {
    const side = Math.max(width, height);
    return [(width - side) / 2, (height - side) / 2, side];
  }
  const [left, top, right, bottom] = mode === "add" ? box : state.face.bbox;
  const side = Math.max(right - left, bottom - top) * (1 + 2 * SURROUNDINGS);
  // Where the picture goes on, it is shown, and no black beyond its edge.
  const inside = (start, length) => (length > side ? Math.max(0, Math.min(start, length - side)) : (length - side) / 2);
  return [inside((left + right - side) / 2, width), inside((top + bottom - side) / 2, height), side];
}

let shown = null; // the view stays while a box is moved
function draw() {
  if (mode === "look" || !shown) shown = view();
  const [left, top, side] = shown, scale = canvas.width / side;
  paint.setTransform(1, 0, 0, 1, 0, 0);
  paint.fillStyle = "#000";
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.imageSmoothingQuality = "high";
  paint.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  paint.drawImage(image, 0, 0, ...state.face.size_wh);
  for (const other of state.face.others) outline(other, "#fffa", 1.5 / scale, [5 / scale, 5 / scale]);
  if (mode !== "look") outline(state.face.bbox, "#fffa", 1.5 / scale, [5 / scale, 5 / scale]);
  outline(box, "#000", 5 / scale, []);
  outline(box, mode === "look" ? "#fff" : "#ffd60a", 2.5 / scale, []);
}

function outline([left, top, right, bottom], colour, width, dashes) {
  paint.strokeStyle = colour;
  paint.lineWidth = width;
  paint.setLineDash(dashes);
  paint.strokeRect(left, top, right - left, bottom - top);
}

function setMode(wanted) {
  mode = wanted;
  for (const name of ["move", "add"]) buttons[name].setAttribute("aria-pressed", String(mode === name));
  buttons.whole.setAttribute("aria-pressed", String(whole));
  canvas.classList.toggle("moving", mode !== "look");
  help.hidden = mode === "look";
}

function begin(wanted) {
  if (!state.face) return;
  const leaves = mode === wanted;
  shown = view();
  setMode(leaves ? "look" : wanted);
  box = [...state.face.bbox];
  if (mode === "add") {
    const [left, top, right, bottom] = box, [width] = state.face.size_wh;
    const step = right - left, aside = right + step * 1.1 <= width ? step * 1.1 : -step * 1.1;
    box = [left + aside, top, right + aside, bottom];
    tell("Put the box onto the face that was missed, then say what it has on.");
  }
  draw();
}

async function answer(label) {
  if (busy) { queued.push(() => answer(label)); return; }
  if (!state || !state.face) return;
  const { picture, number } = state.face, moved = mode !== "look";
  const content = mode === "add" ? { picture, label, bbox: box } : { picture, label, number, bbox: moved ? box : null };
  await go("/answer", content, `${mode === "add" ? "Added: " : ""}${WORDS[label]}`);
}

async function go(path, body, words) {
  busy = true;
  try {
    await show(await ask(path, body));
    tell(words);
  } catch (error) {
    tell(error.message, true);
  }
  busy = false;
  if (queued.length) queued.shift()();
}

async function undo() {
  if (busy) { queued.push(undo); return; }
  if (state.can_undo) await go("/undo", {}, "Taken back: say it again.");
}

function moveBy(x, y, corner) {
  const [width, height] = state.face.size_wh, least = 4;
  if (corner) box = [box[0], box[1], Math.max(box[0] + least, box[2] + x), Math.max(box[1] + least, box[3] + y)];
  else box = [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
  box = [Math.max(0, Math.min(box[0], width - least)), Math.max(0, Math.min(box[1], height - least)), Math.min(width, box[2]), Math.min(height, box[3])];
  draw();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (key in KEYS) answer(KEYS[key]);
  else if (key === "u" || key === "Backspace") undo();
  else if (key === "m") begin("move");
  else if (key === "a") begin("add");
  else if (key === "w" && state.face) { whole = !whole; setMode("look"); box = [...state.face.bbox]; draw(); }
  else if (key === "Escape" && mode !== "look") begin(mode);
  else if (step && mode !== "look") { const by = Math.max(1, shown[2] / 80); moveBy(step[0] * by, step[1] * by, event.shiftKey); }
  else return;
  event.preventDefault();
});

function point(event) {
  const area = canvas.getBoundingClientRect(), scale = shown[2] / area.width;
  return [shown[0] + (event.clientX - area.x) * scale, shown[1] + (event.clientY - area.y) * scale];
}

canvas.addEventListener("pointerdown", (event) => {
  if (mode === "look") return;
  const [x, y] = point(event), near = (box[2] - box[0]) * 0.25;
  drag = { x, y, corner: Math.abs(x - box[2]) < near && Math.abs(y - box[3]) < near };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [x, y] = point(event);
  moveBy(x - drag.x, y - drag.y, drag.corner);
  drag.x = x; drag.y = y;
});
canvas.addEventListener("pointerup", () => { drag = null; });

for (const button of document.querySelectorAll("#answers button")) button.addEventListener("click", () => answer(button.dataset.label));
document.getElementById("undo").addEventListener("click", undo);
buttons.move.addEventListener("click", () => begin("move"));
buttons.add.addEventListener("click", () => begin("add"));
buttons.whole.addEventListener("click", () => document.dispatchEvent(new KeyboardEvent("keydown", { key: "w" })));

ask("/now").then(show).catch((error) => tell(error.message, true));
