// Expressions of one person over time, with a mark at the moment that is shown.

import { COLOURS } from "./show.js";

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 600, HEIGHT = 150, LEFT = 4, RIGHT = 84, TOP = 6, FOOT = 20;

function made(name, attributes, text) {
  const one = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  return one;
}

export class Timeline {
  constructor(holder, seek) {
    this.holder = holder;
    this.seek = time => { this.at(time); seek(time); };
    this.end = 0;
    const to = event => {
      const box = holder.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
      this.seek(Math.max(0, Math.min(1, share)) * this.end);
    };
    holder.addEventListener("pointerdown", event => { holder.setPointerCapture(event.pointerId); to(event); });
    holder.addEventListener("pointermove", event => { if (event.buttons) to(event); });
    holder.addEventListener("keydown", event => {
      const step = { ArrowLeft: -0.2, ArrowRight: 0.2, PageDown: -2, PageUp: 2, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.seek(Math.max(0, Math.min(this.end, (this.now || 0) + step)));
    });
  }

  // rows: of one person, in the order of time.
  draw(rows, end) {
    this.end = end;
    this.holder.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.holder.setAttribute("aria-valuemin", 0);
    this.holder.setAttribute("aria-valuemax", end.toFixed(1));
    this.holder.replaceChildren();
    const scored = rows.filter(row => row.expression && row.expression.scores);
    const best = {};
    for (const row of scored) for (const [name, score] of Object.entries(row.expression.scores)) best[name] = Math.max(best[name] || 0, score);
    const names = Object.keys(best).sort((a, b) => best[b] - best[a]).slice(0, 4).filter(name => best[name] > 0.2);
    const x = time => LEFT + (WIDTH - LEFT - RIGHT) * (end ? time / end : 0);
    const y = score => TOP + (HEIGHT - TOP - FOOT) * (1 - score);
    for (const score of [0, 0.5, 1]) this.holder.append(made("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(score), y2: y(score), stroke: "#8884" }));
    names.forEach((name, k) => {
      const points = scored.map(row => `${x(row.time).toFixed(1)},${y(row.expression.scores[name]).toFixed(1)}`).join(" ");
      const colour = COLOURS[k % COLOURS.length];
      this.holder.append(made("polyline", { points, fill: "none", stroke: colour, "stroke-width": 2 }));
      const words = made("text", { x: WIDTH - RIGHT + 6, y: 16 + 18 * k }, name);
      words.style.fill = colour;
      this.holder.append(words);
    });
    this.holder.append(made("text", { x: LEFT, y: HEIGHT - 6 }, "0 s"), made("text", { x: WIDTH - RIGHT - 36, y: HEIGHT - 6 }, `${end.toFixed(1)} s`));
    this.mark = made("line", { class: "now", x1: LEFT, x2: LEFT, y1: TOP, y2: HEIGHT - FOOT });
    this.holder.append(this.mark);
    this.x = x;
  }

  at(time) {
    this.now = time;
    if (!this.mark) return;
    this.mark.setAttribute("x1", this.x(time));
    this.mark.setAttribute("x2", this.x(time));
    this.holder.setAttribute("aria-valuenow", time.toFixed(1));
  }
}
