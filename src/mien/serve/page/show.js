// What is known of a face, as elements. Texts are set as text, never as HTML.

const REGIONS = JSON.parse(document.getElementById("regions").textContent); // region -> numbers of units
export const COLOURS = ["#2f6fa7", "#b35a00", "#3f8f4f", "#8a4fa3", "#a33a4a", "#5a6b00"];
const LETTERS = ["", "A", "B", "C", "D", "E"];

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function bar(share) {
  const inner = element("i");
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element("td", {}, element("div", { class: "bar", "aria-hidden": "true" }, inner));
}

export function lead(row) {
  const shown = row.expression;
  if (row.status !== "ok" || !shown || !shown.label) return row.warnings[0] || row.status.replace("_", " ");
  const score = shown.scores ? ` ${Math.round(100 * shown.scores[shown.label])} %` : "";
  return shown.label[0].toUpperCase() + shown.label.slice(1) + score;
}

export function expressions(row) {
  const table = element("table", {}, element("caption", { text: "Expression" }));
  const scores = (row.expression && row.expression.scores) || {};
  for (const [name, score] of Object.entries(scores).sort((a, b) => b[1] - a[1])) {
    table.append(element("tr", name === row.expression.label ? { class: "top" } : {},
      element("th", { scope: "row", text: name }), bar(score),
      element("td", { class: "num", text: `${Math.round(100 * score)} %` })));
  }
  return table;
}

export function units(row) {
  const holder = element("div", { class: "units" });
  const known = new Map((row.action_units || []).map(unit => [unit.au, unit]));
  for (const [region, numbers] of Object.entries(REGIONS)) {
    const inside = numbers.filter(number => known.has(number)).map(number => known.get(number));
    if (!inside.length) continue;
    const table = element("table");
    for (const unit of inside) {
      const value = unit.intensity ?? 0;
      const grade = LETTERS[Math.min(5, Math.floor(value + 0.5))];
      table.append(element("tr", { class: unit.present ? "on" : "off" },
        element("th", { scope: "row", text: `AU${unit.au} ${unit.name}` }), bar(value / 5),
        element("td", { class: "num", text: unit.intensity === null ? "" : `${value.toFixed(1)} ${grade}` })));
    }
    holder.append(element("h3", { text: region }), table);
  }
  return holder;
}

// Boxes and numbers over a picture of `width` x `height` pixels, or on the frame that they were read from.
export function boxes(canvas, rows, chosen, width, height, frame = null) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  if (frame) pen.drawImage(frame, 0, 0);
  const unit = Math.max(1, Math.max(width, height) / 500);
  pen.font = `${13 * unit}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  for (const row of rows) {
    if (!row.box) continue;
    const [x0, y0, x1, y1] = row.box;
    const number = row.track ?? row.face ?? 0;
    pen.strokeStyle = pen.fillStyle = COLOURS[number % COLOURS.length];
    pen.lineWidth = (number === chosen ? 3 : 1.5) * unit;
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    const words = `${number} ${lead(row)}`;
    const wide = pen.measureText(words).width + 8 * unit;
    const top = Math.max(18 * unit, y0);
    pen.fillRect(x0, top - 18 * unit, wide, 18 * unit);
    pen.fillStyle = "#fff";
    pen.fillText(words, x0 + 4 * unit, top - unit);
    const present = (row.action_units || []).filter(one => one.present).map(one => one.au);
    pen.fillStyle = pen.strokeStyle;
    if (number === chosen && present.length) {
      pen.textBaseline = "top";
      pen.fillText(present.map(au => `AU${au}`).join(" "), x0, y1 + 3 * unit);
      pen.textBaseline = "bottom";
    }
  }
}
