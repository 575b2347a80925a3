// Numbers of a face over time: smoothed, and their resting level.

const KEEP = 0.6; // share of what was shown before
const SHARE = 0.1, LEAST = 20; // as `rest` in the rows of a clip: a tenth of at least twenty values

export class Steady {
  constructor() { this.people = new Map(); }

  // The row with smoothed scores and intensities; the resting level of each unit beside them.
  add(row) {
    const key = row.track ?? row.face ?? 0;
    const known = this.people.get(key) || { scores: {}, units: new Map() };
    this.people.set(key, known);
    const result = structuredClone(row);
    if (result.expression && result.expression.scores) {
      const scores = result.expression.scores;
      for (const name in scores) scores[name] = known.scores[name] = name in known.scores ? KEEP * known.scores[name] + (1 - KEEP) * scores[name] : scores[name];
      result.expression.label = Object.keys(scores).reduce((a, b) => (scores[b] > scores[a] ? b : a));
    }
    for (const unit of result.action_units || []) {
      if (unit.intensity === null) continue;
      const past = known.units.get(unit.au) || { value: unit.intensity, all: [] };
      known.units.set(unit.au, past);
      unit.intensity = past.value = KEEP * past.value + (1 - KEEP) * unit.intensity;
      past.all.push(unit.intensity);
      if (past.all.length > 300) past.all.shift();
      if (past.all.length >= LEAST) unit.rest = [...past.all].sort((a, b) => a - b)[Math.floor(SHARE * past.all.length)];
    }
    return result;
  }
}

// The row with what is above the person's resting level, where that is known.
export function aboveRest(row, rest = new Map()) {
  const result = structuredClone(row);
  for (const unit of result.action_units || []) {
    const level = unit.rest ?? rest.get(unit.au);
    if (unit.intensity === null || level === undefined || level === null) continue;
    unit.intensity = Math.max(0, unit.intensity - level);
    unit.present = unit.intensity >= 0.5;
  }
  return result;
}
