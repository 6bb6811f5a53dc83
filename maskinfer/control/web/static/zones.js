// Zones and lines drawn on a camera's picture, with the mouse, a finger or the keyboard.
const editor = document.querySelector(".editor"), camera = editor.dataset.camera;
const read = id => JSON.parse(document.getElementById(id).textContent);
const given = read("shapes-data"), kinds = read("kinds-data");
const drawing = document.getElementById("drawing"), handles = document.getElementById("handles");
const list = document.getElementById("shapes"), hint = document.getElementById("hint"), outcome = document.getElementById("outcome");
const canvas = document.querySelector(".canvas"), snapshot = document.getElementById("snapshot");
const REST = hint.textContent, COLOURS = 5, NEAR = 0.025;

let shapes = [
  ...given.zones.map(zone => ({kind: "zone", ...zone, points: zone.polygon.map(p => [...p])})),
  ...given.lines.map(line => ({kind: "line", name: line.name, points: line.ends.map(p => [...p])})),
];
let chosen = null;  // the shape that is worked on
let draft = null;  // {kind, points} while one is drawn
let isSaved = true;

const make = (tag, attributes = {}, ...inner) => {
  const node = tag === "polygon" || tag === "line" || tag === "polyline"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...inner);
  return node;
};
const within = value => Math.min(1, Math.max(0, value));
const round = value => Math.round(within(value) * 1000) / 1000;
const percent = value => Math.round(value * 1000) / 10;
const colour = shape => `c${shapes.indexOf(shape) % COLOURS}`;
const word = shape => (shape.kind === "zone" ? "zone" : "line");

function at(event) {
  const box = canvas.getBoundingClientRect();
  return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
}

function changed() {
  isSaved = false;
  outcome.textContent = "Not saved yet.";
  outcome.className = "dim";
  draw();
}

// The picture with all shapes on it.
function draw() {
  const scaled = points => points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ");
  drawing.replaceChildren(...shapes.map(shape => {
    const of = {class: `shape ${colour(shape)}${shape === chosen ? " chosen" : ""}`, onpointerdown: event => { if (!draft) { event.stopPropagation(); choose(shape); } }};
    if (shape.kind === "zone") return make("polygon", {...of, points: scaled(shape.points)});
    const [[x1, y1], [x2, y2]] = shape.points;
    return make("line", {...of, x1: x1 * 1000, y1: y1 * 1000, x2: x2 * 1000, y2: y2 * 1000});
  }));
  if (draft && draft.points.length) drawing.append(make("polyline", {class: `shape open c${shapes.length % COLOURS}`, points: scaled(draft.over ? [...draft.points, draft.over] : draft.points)}));
  const wanted = [];
  for (const shape of shapes) {
    const middle = [0, 1].map(i => shape.points.reduce((sum, p) => sum + p[i], 0) / shape.points.length);
    wanted.push({key: null, node: place(make("span", {class: "tag"}, shape.name), middle)});
    if (!draft) shape.points.forEach((_, i) => wanted.push({node: place(handle(shape, i), shape.points[i])}));
  }
  const focused = document.activeElement?.dataset?.corner;
  handles.replaceChildren(...wanted.map(one => one.node));
  if (focused) handles.querySelector(`[data-corner="${focused}"]`)?.focus();
  canvas.classList.toggle("drawing", Boolean(draft));
}

function place(node, [x, y]) {
  node.style.left = `${x * 100}%`;
  node.style.top = `${y * 100}%`;
  return node;
}

function handle(shape, i) {
  const [x, y] = shape.points[i], what = shape.kind === "zone" ? `Corner ${i + 1}` : `End ${i + 1}`;
  return make("button", {
    type: "button", class: `handle ${colour(shape)}`, "data-corner": `${shapes.indexOf(shape)}-${i}`,
    "aria-label": `${what} of ${shape.name}, ${percent(x)} % from the left, ${percent(y)} % from the top`,
    onfocus: () => { if (chosen !== shape) choose(shape, false); },
    onkeydown: event => steer(event, shape, i),
    onpointerdown: event => grab(event, shape, i),
  });
}

function steer(event, shape, i) {
  const step = event.shiftKey ? 0.05 : 0.01;
  const way = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[event.key];
  if (way) {
    event.preventDefault();
    shape.points[i] = shape.points[i].map((value, k) => round(value + way[k]));
    fields(shape);
    changed();
  } else if (event.key === "Delete" && shape.kind === "zone" && shape.points.length > 3) {
    event.preventDefault();
    shape.points.splice(i, 1);
    showList();
    changed();
  }
}

function grab(event, shape, i) {
  event.preventDefault();
  event.stopPropagation();
  chosen = shape;
  const move = moved => { shape.points[i] = at(moved); fields(shape); changed(); };
  const drop = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", drop); removeEventListener("pointercancel", drop); };
  addEventListener("pointermove", move);
  addEventListener("pointerup", drop);
  addEventListener("pointercancel", drop);
}

// Drawing a new one: a press and a drag make a rectangle or a line, clicks make corners.
function begin(kind) {
  draft = {kind, points: []};
  chosen = null;
  hint.textContent = kind === "zone"
    ? "Drag across the picture for a rectangle, or click corner by corner; a click on the first one, or Enter, ends it. Escape gives up."
    : "Drag from one end of the line to the other. Escape gives up.";
  document.getElementById("new-zone").setAttribute("aria-pressed", kind === "zone");
  document.getElementById("new-line").setAttribute("aria-pressed", kind === "line");
  draw();
}

function give_up() {
  draft = null;
  hint.textContent = REST;
  for (const id of ["new-zone", "new-line"]) document.getElementById(id).setAttribute("aria-pressed", "false");
  draw();
}

function finish(points) {
  const kind = draft.kind, names = shapes.map(shape => shape.name);
  let number = 1;
  while (names.includes(`${kind} ${number}`)) number += 1;
  const shape = {kind, name: `${kind} ${number}`, points};
  if (kind === "zone") Object.assign(shape, {allowed: ["with_mask"], hold_s: 1, cooldown_s: 10});
  shapes.push(shape);
  shapes.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "zone" ? -1 : 1));
  give_up();
  showList();
  choose(shape);
  changed();
  list.querySelector(`[data-shape="${shapes.indexOf(shape)}"] input`)?.focus();
}

canvas.addEventListener("pointerdown", event => {
  if (!draft) return;
  event.preventDefault();
  const start = at(event), far = point => Math.hypot(point[0] - start[0], point[1] - start[1]) > NEAR;
  const move = moved => {
    draft.over = at(moved);
    if (draft.kind === "zone" && !draft.points.length && far(draft.over)) draft.box = start;
    draw();
  };
  const drop = moved => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", drop);
    if (!draft) return;
    const end = at(moved);
    draft.over = null;
    if (draft.kind === "line" && far(end)) finish([start, end]);
    else if (draft.kind === "line") { draft.points.push(start); if (draft.points.length === 2) finish(draft.points); else draw(); }
    else if (!draft.points.length && far(end)) finish([start, [end[0], start[1]], end, [start[0], end[1]]]);
    else if (draft.points.length >= 3 && Math.hypot(draft.points[0][0] - end[0], draft.points[0][1] - end[1]) < NEAR) finish(draft.points);
    else { draft.points.push(end); draw(); }
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", drop);
});
addEventListener("keydown", event => {
  if (!draft) return;
  if (event.key === "Escape") give_up();
  // By keyboard alone: Enter without corners makes a shape in the middle, to be moved by its corners.
  if (event.key === "Enter" && !(event.target.id || "").startsWith("new-")) {
    event.preventDefault();
    if (draft.kind === "zone" && draft.points.length >= 3) finish(draft.points);
  }
});

// The fields beside the picture.
function choose(shape, scroll = true) {
  chosen = shape;
  for (const part of list.children) part.classList.toggle("chosen", shapes[part.dataset.shape] === shape);
  if (scroll) list.querySelector(`[data-shape="${shapes.indexOf(shape)}"]`)?.scrollIntoView({block: "nearest"});
  draw();
}

function fields(shape) {
  const part = list.querySelector(`[data-shape="${shapes.indexOf(shape)}"]`);
  part?.querySelectorAll("[data-axis]").forEach(input => {
    const value = percent(shape.points[input.dataset.point][input.dataset.axis]);
    if (document.activeElement !== input) input.value = value;
  });
}

function showList() {
  list.replaceChildren(...shapes.map(part));
  if (!shapes.length) list.replaceChildren(make("li", {class: "empty"}, "There is no zone and no line yet."));
}

function part(shape, index) {
  const number = (label, name, least) => make("label", {}, label, make("input", {
    type: "number", min: least, step: 0.1, value: shape[name], inputmode: "decimal",
    oninput: event => { shape[name] = Number(event.target.value); changed(); },
  }));
  const name = make("input", {value: shape.name, maxlength: 64, required: true, autocomplete: "off",
    oninput: event => { shape.name = event.target.value.trim(); changed(); }});
  const inner = [make("label", {}, shape.kind === "zone" ? "Name of the zone" : "Name of the line", name)];
  if (shape.kind === "zone") {
    const boxes = Object.entries(kinds).map(([label, text]) => make("label", {class: "check"}, make("input", {
      type: "checkbox", checked: shape.allowed.includes(label), onchange: event => {
        shape.allowed = Object.keys(kinds).filter(one => (one === label ? event.target.checked : shape.allowed.includes(one)));
        changed();
      },
    }), text));
    inner.push(make("fieldset", {}, make("legend", {}, "Allowed in here"), ...boxes));
    inner.push(make("div", {class: "fields"}, number("Counts after, in seconds", "hold_s", 0), number("Not again within, in seconds", "cooldown_s", 0)));
  } else {
    inner.push(make("p", {class: "dim"}, "Who stands at end 1 and looks to end 2 has “in” on the right."));
    inner.push(make("p", {class: "actions"}, make("button", {type: "button", onclick: () => { shape.points.reverse(); showList(); changed(); }}, "Turn round")));
  }
  const corner = (_, i) => {
    const axis = (k, label) => make("label", {}, label, make("input", {
      type: "number", min: 0, max: 100, step: 0.1, value: percent(shape.points[i][k]), inputmode: "decimal", "data-point": i, "data-axis": k,
      "aria-label": `${shape.kind === "zone" ? "Corner" : "End"} ${i + 1}: % from the ${k ? "top" : "left"}`,
      oninput: event => { shape.points[i][k] = round(Number(event.target.value) / 100); changed(); },
    }));
    const gone = make("button", {type: "button", class: "quiet", "aria-label": `Remove corner ${i + 1}`, disabled: shape.points.length <= 3,
      onclick: () => { shape.points.splice(i, 1); showList(); changed(); }}, "×");
    return make("li", {}, axis(0, "% from left"), axis(1, "% from top"), ...(shape.kind === "zone" ? [gone] : []));
  };
  const more = make("button", {type: "button", onclick: () => {
    const [first, last] = [shape.points[0], shape.points.at(-1)];
    shape.points.push([round((first[0] + last[0]) / 2), round((first[1] + last[1]) / 2)]);
    showList();
    changed();
    list.querySelector(`[data-shape="${index}"] details`).open = true;
  }}, "Add a corner");
  inner.push(make("details", {}, make("summary", {}, shape.kind === "zone" ? `${shape.points.length} corners` : "Both ends"), make("ol", {class: "corners"}, ...shape.points.map(corner)), ...(shape.kind === "zone" ? [make("p", {class: "actions"}, more)] : [])));
  inner.push(make("p", {class: "actions"}, make("button", {type: "button", class: "quiet", onclick: () => { shapes.splice(shapes.indexOf(shape), 1); showList(); changed(); }}, `Remove this ${word(shape)}`)));
  return make("li", {class: `card part c${index % COLOURS}`, "data-shape": index, onfocusin: () => { if (chosen !== shape) choose(shape, false); }}, ...inner);
}

for (const kind of ["zone", "line"]) {
  const button = document.getElementById(`new-${kind}`);
  button.addEventListener("click", event => {
    // A click by keyboard has no place: then the shape begins in the middle, and its corners are moved by arrow keys.
    if (event.detail === 0) {
      draft = {kind, points: []};
      finish(kind === "zone" ? [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]] : [[0.25, 0.5], [0.75, 0.5]]);
    } else if (draft?.kind === kind) give_up();
    else begin(kind);
  });
}
const ask = () => { snapshot.src = `/cameras/picture.jpg?${new URLSearchParams({camera, at: Date.now()})}`; };
document.getElementById("new-picture").addEventListener("click", ask);
const wait = () => {
  hint.textContent = "The camera has given no picture yet.";
  setTimeout(ask, 1000);
};
snapshot.addEventListener("error", wait);
snapshot.addEventListener("load", () => { if (hint.textContent.startsWith("The camera")) hint.textContent = REST; });
// It may have failed before anybody listened.
if (snapshot.complete && !snapshot.naturalWidth) wait();
document.getElementById("save").addEventListener("click", async event => {
  event.target.disabled = true;
  const zones = shapes.filter(shape => shape.kind === "zone").map(shape => ({
    name: shape.name, polygon: shape.points, allowed: shape.allowed, hold_s: shape.hold_s, cooldown_s: shape.cooldown_s}));
  const lines = shapes.filter(shape => shape.kind === "line").map(shape => ({name: shape.name, ends: shape.points}));
  try {
    await change(`/v1/cameras/zones?${new URLSearchParams({camera})}`, {zones, lines});
    isSaved = true;
    outcome.textContent = "Saved. It counts from now on.";
    outcome.className = "good";
  } catch (error) {
    outcome.textContent = error.message;
    outcome.className = "bad";
  }
  event.target.disabled = false;
});
addEventListener("beforeunload", event => { if (!isSaved) event.preventDefault(); });

snapshot.style.aspectRatio = `${editor.dataset.width} / ${editor.dataset.height}`;
showList();
draw();
