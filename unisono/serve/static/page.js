// The playground: asks the server's tasks and draws what each answers.
"use strict";

const $ = (id) => document.getElementById(id);
const FILES = { image: "image/*", audio: "audio/*" };
const SLOTS = 6;
const LEAST = 0.3; // boxes of a lower score are counted, not drawn, as on the command line
let tasks = {};
let files = {}; // role -> {name, data: base64}
let asking = null; // AbortController of the question that is being answered

function make(tag, given = {}, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") node.className = value;
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...inside);
  return node;
}

function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function get(path) {
  const answer = await fetch(path, { headers: headers() });
  if (answer.status === 401) throw new Locked();
  if (!answer.ok) throw new Error(await reason(answer));
  return answer;
}

class Locked extends Error {}

async function reason(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the server answered with ${answer.status}`;
  }
}

function trouble(text) {
  $("trouble").textContent = text || "";
  $("trouble").hidden = !text;
}

// -- what is asked ----------------------------------------------------------------------------------------------------

function inputs() {
  // role -> kind, of the task that is chosen, or the inputs that tasks share
  const chosen = $("task").value;
  if (chosen) return tasks[chosen].inputs;
  const kinds = new Set(Object.values(tasks).flatMap((task) => Object.values(task.inputs)));
  const out = {};
  if (kinds.has("text") || kinds.has("tokens")) out.text = "text";
  for (const kind of ["sequence", "image", "audio"]) if (kinds.has(kind)) out[kind] = kind;
  return out;
}

function fields() {
  const kept = Object.fromEntries([...document.querySelectorAll("#fields textarea")].map((f) => [f.name, f.value]));
  files = {};
  $("fields").replaceChildren();
  $("drops").hidden = !Object.values(inputs()).some((kind) => kind in FILES);
  for (const [role, kind] of Object.entries(inputs())) {
    const id = `input-${role}`;
    $("fields").append(make("label", { htmlFor: id }, role === "tokens" ? "text" : role));
    if (kind in FILES) {
      const box = make("div", { class: "drop" }, make("input", { id, type: "file", accept: FILES[kind] }));
      box.firstChild.addEventListener("change", (event) => event.target.files[0] && load(role, kind, event.target.files[0]));
      $("fields").append(box);
    } else {
      const name = role === "tokens" ? "text" : role;
      $("fields").append(make("textarea", { id, name, spellcheck: false, value: kept[name] || "" }));
    }
  }
}

async function load(role, kind, file) {
  const data = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  files[role] = { data, kind };
  const box = $(`input-${role}`).parentElement;
  box.querySelector("img, audio")?.remove();
  box.append(kind === "image" ? make("img", { src: data, alt: file.name }) : make("audio", { src: data, controls: true }));
}

function question() {
  const out = {};
  for (const field of document.querySelectorAll("#fields textarea")) if (field.value.trim()) out[field.name] = field.value;
  for (const [role, file] of Object.entries(files)) out[role] = file.data;
  return out;
}

async function ask() {
  const body = question();
  if (!Object.keys(body).length) return trouble("Type something, or choose a file.");
  asking?.abort();
  asking = new AbortController();
  trouble();
  $("answers").replaceChildren();
  const chosen = $("task").value;
  const stream = !chosen || tasks[chosen].stream;
  const begin = performance.now();
  $("go").disabled = true;
  try {
    const answer = await fetch(`v1/${encodeURIComponent(chosen || "all")}${stream ? "?stream=true" : ""}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers() },
      body: JSON.stringify(body),
      signal: asking.signal,
    });
    if (!answer.ok) throw new Error(await reason(answer));
    if (!stream) show(chosen, await answer.json(), true, begin, body);
    else
      for await (const [event, told] of events(answer)) {
        if (event === "error") throw new Error(told.error.message);
        if (event !== "answer") continue;
        if (told.error) trouble(`${told.task}: ${told.error.message}`);
        else show(told.task, told.prediction, told.last, begin, body);
      }
  } catch (error) {
    if (error.name !== "AbortError") trouble(error.message);
  } finally {
    $("go").disabled = false;
  }
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const part = Object.fromEntries(block.split("\n").map((l) => [l.slice(0, l.indexOf(":")), l.slice(l.indexOf(":") + 2)]));
      yield [part.event, JSON.parse(part.data)];
    }
  }
}

// -- what is answered -------------------------------------------------------------------------------------------------

function show(task, found, last, begin, asked) {
  let place = document.getElementById(`answer-${task}`);
  if (!place) {
    place = make("article", { class: "answer", id: `answer-${task}` });
    $("answers").append(place);
  }
  const took = last ? `${Math.round(performance.now() - begin)} ms` : "…";
  const head = make("header", {}, make("h3", {}, task), make("span", { class: "soft" }, tasks[task].kind), make("span", { class: "soft" }, took));
  place.replaceChildren(head, drawn(found, last, asked));
}

function drawn(found, last, asked) {
  if (found.scores) return bars(found.scores);
  if (found.boxes || found.runs) return picture(found);
  if (found.entities || found.tags) return words(found, asked.text || "");
  if (typeof found.value === "number") return make("p", { class: "said" }, number(found.value));
  const text = found.text ?? found.answer;
  if (typeof text === "string") {
    const said = make("div", { class: last ? "said" : "said growing" }, text || (last ? "(nothing)" : ""));
    if (!found.texts) return said;
    return make("div", {}, ...Object.entries(found.texts).map(([language, each]) => make("p", { class: "said" }, make("span", { class: "soft" }, `${language} `), each)));
  }
  return make("pre", {}, JSON.stringify(found, null, 1));
}

const number = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3));

function bars(scores) {
  const best = Object.entries(scores).sort((a, b) => b[1] - a[1]).slice(0, 6);
  const out = make("div", { class: "bars s0" });
  for (const [name, score] of best) {
    const bar = make("i");
    bar.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
    out.append(make("span", { class: "name", title: name }, name), make("span", { class: "bar", role: "presentation" }, bar), make("span", {}, score.toFixed(3)));
  }
  return out;
}

const slots = new Map(); // name -> its colour, the same in every answer
function slot(name) {
  if (!slots.has(name)) slots.set(name, slots.size % SLOTS);
  return slots.get(name);
}

function words(found, text) {
  const out = make("div", { class: "words" });
  const all = found.words || found.tags.map((_, i) => `#${i}`);
  const spans = found.entities || found.tags.map((type, i) => ({ type, start: i, end: i + 1 }));
  let at = 0;
  let place = 0; // in the text, so that words stand as far apart as they were
  const next = (into) => {
    const begin = text.indexOf(all[at], place);
    const gap = begin < 0 ? (at ? " " : "") : text.slice(place, begin);
    place = begin < 0 ? place : begin + all[at].length;
    (into.childNodes.length ? into : out).append(gap);
    into.append(all[at++]);
  };
  for (const { type, start, end } of spans) {
    while (at < start) next(out);
    const mark = make("mark", { class: `s${slot(type)}` });
    while (at < end) next(mark);
    mark.append(make("small", {}, type));
    out.append(mark);
  }
  while (at < all.length) next(out);
  return out;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--s${slot(name)}`).trim();
}

function picture(found) {
  const source = Object.values(files).find((file) => file.kind === "image");
  const canvas = make("canvas", { role: "img", ariaLabel: told(found) });
  const boxes = sure(found);
  const names = found.runs ? Object.values(found.names) : [...new Set(boxes.map((b) => b.label))];
  const legend = make("div", { class: "legend" });
  for (const name of names) legend.append(make("span", {}, make("i", { class: `s${slot(name)}` }), name));
  const faint = (found.boxes || []).length - boxes.length;
  if (faint) legend.append(make("span", {}, `${faint} more below a score of ${LEAST}`));
  const image = new Image();
  image.onload = () => {
    const scale = Math.max(1, Math.min(4, Math.floor(480 / image.width)));
    canvas.width = image.width * scale;
    canvas.height = image.height * scale;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (found.runs) paint(pen, found);
    else for (const box of boxes) frame(pen, box, scale);
  };
  image.src = source.data;
  return make("div", {}, canvas, legend);
}

function sure(found) {
  return (found.boxes || []).filter(({ score }) => score >= LEAST);
}

function told(found) {
  if (found.runs) return Object.entries(found.shares).map(([name, share]) => `${name} ${Math.round(share * 100)} %`).join(", ");
  const counts = {};
  for (const { label } of sure(found)) counts[label] = (counts[label] || 0) + 1;
  return Object.entries(counts).map(([label, count]) => `${count} ${label}`).join(", ") || "nothing was found";
}

function frame(pen, { label, score, box }, scale) {
  const [left, top, right, bottom] = box.map((v) => v * scale);
  pen.lineWidth = 2;
  pen.strokeStyle = pen.fillStyle = colour(label);
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.font = "12px system-ui, sans-serif";
  pen.fillText(`${label} ${score.toFixed(2)}`, left + 3, top > 14 ? top - 4 : top + 13);
}

function paint(pen, { size, runs, names }) {
  const [height, width] = size;
  const layer = new OffscreenCanvas(width, height);
  const brush = layer.getContext("2d");
  let at = 0;
  for (const [n, pixels] of runs) {
    brush.fillStyle = colour(names[n]);
    let left = pixels;
    while (left > 0) {
      const x = at % width;
      const here = Math.min(left, width - x);
      brush.fillRect(x, Math.floor(at / width), here, 1);
      at += here;
      left -= here;
    }
  }
  pen.globalAlpha = 0.5;
  pen.drawImage(layer, 0, 0, pen.canvas.width, pen.canvas.height);
  pen.globalAlpha = 1;
}

// -- the model card: the Markdown that Unisono writes ------------------------------------------------------------------

function card(text) {
  const out = $("card");
  let table = null;
  let list = null;
  let code = null;
  for (const line of text.replace(/^---\n[\s\S]*?\n---\n/, "").split("\n")) {
    if (!line.startsWith("|")) table = null;
    if (!line.startsWith("- ")) list = null;
    if (/^(```|~~~)/.test(line)) {
      if (code) code = null;
      else out.append((code = make("pre")));
      continue;
    }
    if (code) {
      code.append(`${line}\n`);
      continue;
    }
    const title = line.match(/^#+ (.*)/);
    if (title) out.append(make("h3", {}, title[1]));
    else if (line.startsWith("- ")) {
      if (!list) out.append((list = make("ul")));
      list.append(make("li", {}, plain(line.slice(2))));
    } else if (line.startsWith("|")) {
      const cells = line.split("|").slice(1, -1).map((c) => c.trim());
      if (cells.every((c) => /^:?-+:?$/.test(c))) continue;
      const row = make("tr", {}, ...cells.map((c) => make(table ? "td" : "th", {}, plain(c))));
      if (!table) out.append((table = make("table")));
      table.append(row);
    } else if (line.trim()) out.append(make("p", {}, plain(line)));
  }
}

const plain = (text) => text.replace(/[*`]/g, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");

// -- the start ---------------------------------------------------------------------------------------------------------

async function start() {
  try {
    tasks = await (await get("v1/tasks")).json();
  } catch (error) {
    if (error instanceof Locked) {
      $("locked").textContent = sessionStorage.getItem("token") ? "That is not the token." : "";
      $("token-form").hidden = false;
      $("token").focus();
    } else trouble(error.message);
    return;
  }
  $("token-form").hidden = true;
  $("main").hidden = false;
  $("about").textContent = `One model, ${Object.keys(tasks).length} tasks: ${Object.keys(tasks).join(", ")}.`;
  $("task").replaceChildren(make("option", { value: "" }, "every task"), ...Object.keys(tasks).map((t) => make("option", { value: t }, `${t} (${tasks[t].kind})`)));
  fields();
  const told = await (await get("v1/card")).json();
  card(told.card);
  $("report").hidden = !told.report;
  linked();
}

// #text=A sentence. in the address asks it at once: an answer that can be linked to.
function linked() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.get("task") in tasks) {
    $("task").value = given.get("task");
    fields();
  }
  const texts = [...document.querySelectorAll("#fields textarea")].filter((field) => given.has(field.name));
  for (const field of texts) field.value = given.get(field.name);
  if (texts.length) ask();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  start();
});
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  }
});
$("task").addEventListener("change", fields);
$("example").addEventListener("click", () => {
  const examples = Object.assign({}, ...Object.values(tasks).map((task) => task.example.body));
  for (const field of document.querySelectorAll("#fields textarea")) {
    const given = examples[field.name] ?? examples.tokens ?? examples.source;
    field.value = Array.isArray(given) ? given.join(" ") : given || "";
  }
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) {
    const found = Object.entries(inputs()).find(([, kind]) => kind in FILES && file.type.startsWith(`${kind}/`));
    if (found) load(...found, file);
    else trouble(`No task here takes ${file.name}.`);
  }
});
start();
