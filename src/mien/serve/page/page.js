// The page: pictures, videos and the camera to rows, and rows to what is seen.

import * as server from "./server.js";
import { boxes, element, expressions, lead, units } from "./show.js";
import { Steady, aboveRest } from "./steady.js";
import { Timeline } from "./timeline.js";

const at = id => document.getElementById(id);
const CAMERA_PAUSE = 10; // milliseconds between an answer and the next frame
const state = { kind: null, file: null, frame: null, camera: null, overlay: null, rows: [], people: [], chosen: 0, talk: [], running: null, url: null };
const timeline = new Timeline(at("timeline"), time => { at("video").currentTime = time; });

function say(words, bad = false) {
  at("status").textContent = words;
  at("status").classList.toggle("bad", bad);
}

function fail(error) {
  if (error.name === "AbortError") return;
  at("unlock").hidden = error.status !== 401;
  say(error.message, true);
}

async function start() {
  try {
    at("model").replaceChildren(...(await server.models()).map(name => element("option", { text: name })));
    at("unlock").hidden = true;
    say("");
  } catch (error) { fail(error); }
}

function begin(kind, file) {
  if (state.running) state.running.abort();
  stopCamera();
  if (state.url) URL.revokeObjectURL(state.url);
  state.running = new AbortController();
  Object.assign(state, { kind, file, frame: null, overlay: null, rows: [], people: [], chosen: 0, talk: [], url: file ? URL.createObjectURL(file) : null });
  at("talk").replaceChildren();
  at("result").hidden = false;
  at("picture").hidden = kind !== "picture";
  at("video").hidden = kind === "picture";
  at("video").controls = kind === "video";
  at("timeline").toggleAttribute("hidden", kind !== "video");
  at("overlay").hidden = true;
  at("ask").hidden = kind === "camera";
  show();
}

async function take(file) {
  if (!file) return;
  begin(file.type.startsWith("video/") ? "video" : "picture", file);
  const signal = state.running.signal;
  try {
    if (state.kind === "video") await takeVideo(file, signal);
    else await takePicture(file, signal);
  } catch (error) { fail(error); }
}

function fields(more) {
  return { model: at("model").value, numbers: String(!at("words").checked), ...more };
}

async function takePicture(file, signal) {
  at("picture").src = state.url;
  at("picture").alt = file.name || "the picture";
  say("Looking ...");
  const answer = await (await server.analyze(file, fields({ overlay: "true" }), { signal })).json();
  state.rows = answer.data;
  state.overlay = (answer.overlays || [])[0];
  if (state.overlay) {
    at("overlay").href = state.overlay.image;
    at("overlay").hidden = false;
  }
  const found = state.rows.filter(row => row.status === "ok").length;
  say(found === 1 ? "One face." : found ? `${found} faces.` : state.rows[0].warnings[0] || "No face was found.");
  show();
}

async function takeVideo(file, signal) {
  at("video").srcObject = null;
  at("video").src = state.url;
  say("Looking ...");
  await server.stream(file, fields({}), (name, data) => {
    if (name === "error") throw new server.Refused(0, data.error.message);
    if (name !== "row") return;
    (data.kind === "face" ? state.rows : state.people).push(data);
    if (data.kind === "face") say(`Looking ... ${data.time.toFixed(1)} s`);
  }, signal);
  const tracks = state.people.filter(row => row.kind === "track");
  const clip = state.people.find(row => row.kind === "clip");
  say(tracks.length ? `${tracks.length === 1 ? "One person" : `${tracks.length} people`}.` : (clip && clip.warnings[0]) || "No face was found.");
  state.chosen = clip && clip.track !== null && clip.track !== undefined ? clip.track : 0;
  show();
}

async function takeCamera() {
  begin("camera", null);
  const signal = state.running.signal;
  at("camera").setAttribute("aria-pressed", "true");
  try {
    const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, facingMode: "user" } });
    state.camera = camera;
    const video = at("video"), sheet = document.createElement("canvas"), steady = new Steady();
    video.src = "";
    video.srcObject = camera;
    await video.play();
    let count = 0;
    const since = performance.now();
    while (!signal.aborted) {
      sheet.width = video.videoWidth;
      sheet.height = video.videoHeight;
      sheet.getContext("2d").drawImage(video, 0, 0);
      const frame = await new Promise(done => sheet.toBlob(done, "image/jpeg", 0.85));
      const answer = await server.analyze(frame, { model: at("model").value, numbers: "true" }, { signal }).catch(error => {
        if (error.status === 422) return null; // nothing to be seen in this frame
        throw error;
      });
      const rows = answer ? (await answer.json()).data : [];
      state.frame = sheet;
      state.rows = rows.filter(row => row.status === "ok").map(row => steady.add(row));
      count += 1;
      say(`${(count / (performance.now() - since) * 1000).toFixed(1)} frames a second${state.rows.length ? "" : "; no face"}`);
      show();
      await new Promise(done => setTimeout(done, CAMERA_PAUSE));
    }
  } catch (error) {
    stopCamera();
    fail(error);
  }
}

function stopCamera() {
  at("camera").setAttribute("aria-pressed", "false");
  if (state.camera) state.camera.getTracks().forEach(track => track.stop());
  state.camera = null;
}

// The rows of the moment that is shown.
function current() {
  if (state.kind !== "video") return state.rows;
  const now = at("video").currentTime, near = new Map();
  for (const row of state.rows) {
    const key = row.track ?? row.face;
    const before = near.get(key);
    if (!before || Math.abs(row.time - now) < Math.abs(before.time - now)) near.set(key, row);
  }
  return [...near.values()].filter(row => Math.abs(row.time - now) < 0.5);
}

function numberOf(row) { return row.track ?? row.face ?? 0; }

function show() {
  const rows = current();
  const known = state.kind === "video" ? state.people.filter(row => row.kind === "track") : rows;
  const person = known.find(row => numberOf(row) === state.chosen) || known[0];
  if (person) state.chosen = numberOf(person);
  let row = rows.find(one => numberOf(one) === state.chosen) || person;
  if (row && at("rested").checked) row = aboveRest(row, new Map(((person && person.action_units) || []).map(unit => [unit.au, unit.rest])));
  at("faces").replaceChildren(...known.map(one => {
    const button = element("button", { type: "button", text: `${state.kind === "video" ? "Person" : "Face"} ${numberOf(one)}: ${lead(one)}`, "aria-pressed": String(numberOf(one) === state.chosen) });
    button.addEventListener("click", () => { state.chosen = numberOf(one); state.talk = []; at("talk").replaceChildren(); show(); });
    return button;
  }));
  at("lead").textContent = row ? lead(row) : "";
  at("text").textContent = (person && person.text) || "";
  at("expressions").replaceChildren(...(row ? [expressions(row)] : []));
  at("units").replaceChildren(...(row ? [units(row)] : []));
  const tinted = state.kind === "picture" && state.overlay && at("tints").checked;
  at("picture").src = tinted ? state.overlay.image : state.url || "data:,";
  const screen = state.kind === "picture" ? at("picture") : at("video");
  const width = screen.naturalWidth || screen.videoWidth, height = screen.naturalHeight || screen.videoHeight;
  if (width) boxes(at("boxes"), tinted ? [] : rows, state.chosen, width, height, state.kind === "camera" ? state.frame : null);
  if (state.kind === "video" && state.rows.length) {
    timeline.draw(state.rows.filter(one => numberOf(one) === state.chosen), at("video").duration || state.rows.at(-1).time);
    timeline.at(at("video").currentTime);
  }
}

// The chosen face with its surroundings, as a picture of its own.
async function face() {
  const row = current().find(one => numberOf(one) === state.chosen);
  const screen = state.kind === "picture" ? await loaded(state.url) : at("video");
  const width = screen.naturalWidth || screen.videoWidth, height = screen.naturalHeight || screen.videoHeight;
  const [x0, y0, x1, y1] = row && row.box ? row.box : [0, 0, width, height];
  const more = 0.6 * Math.max(x1 - x0, y1 - y0);
  const left = Math.max(0, x0 - more), top = Math.max(0, y0 - more);
  const sheet = document.createElement("canvas");
  sheet.width = Math.min(width, x1 + more) - left;
  sheet.height = Math.min(height, y1 + more) - top;
  sheet.getContext("2d").drawImage(screen, -left, -top);
  return sheet.toDataURL("image/jpeg", 0.92);
}

async function loaded(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

function save(name, text, type) {
  const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

at("file").addEventListener("change", event => take(event.target.files[0]));
at("drop").addEventListener("dragover", event => { event.preventDefault(); at("drop").classList.add("over"); });
at("drop").addEventListener("dragleave", () => at("drop").classList.remove("over"));
at("drop").addEventListener("drop", event => { event.preventDefault(); at("drop").classList.remove("over"); take(event.dataTransfer.files[0]); });
document.addEventListener("paste", event => take([...event.clipboardData.files][0]));
at("camera").addEventListener("click", () => {
  if (!state.camera) return takeCamera();
  state.running.abort();
  return stopCamera();
});
at("video").addEventListener("timeupdate", () => { if (state.kind === "video") show(); });
at("video").addEventListener("loadedmetadata", () => { if (state.kind === "video") show(); });
at("picture").addEventListener("load", () => {
  const tinted = state.overlay && at("tints").checked;
  boxes(at("boxes"), tinted ? [] : state.rows, state.chosen, at("picture").naturalWidth, at("picture").naturalHeight);
});
for (const id of ["rested", "tints"]) at(id).addEventListener("change", show);
at("rows").addEventListener("click", () => save("rows.jsonl", [...state.rows, ...state.people].map(row => JSON.stringify(row) + "\n").join(""), "application/jsonl"));
at("csv").addEventListener("click", async () => {
  if (!state.file) return say("Rows of the camera are kept as JSON lines alone.", true);
  try {
    const answer = await server.analyze(state.file, fields({ numbers: "true" }), { accept: "text/csv" });
    return save("rows.csv", await answer.text(), "text/csv");
  } catch (error) { return fail(error); }
});
at("ask").addEventListener("submit", async event => {
  event.preventDefault();
  const question = at("question").value.trim();
  if (!question) return;
  at("question").value = "";
  const answer = element("li", { text: "..." });
  at("talk").append(element("li", { class: "asked", text: question }), answer);
  try {
    const said = await server.chat(at("model").value, await face(), state.talk, question);
    state.talk.push([question, said]);
    answer.textContent = said;
  } catch (error) { answer.textContent = ""; fail(error); }
});
at("unlock").addEventListener("submit", event => {
  event.preventDefault();
  server.useToken(at("token").value);
  start();
});
start();
