const { ids, seed } = JSON.parse(document.getElementById("rows").textContent);
const cards = [...document.querySelectorAll("article")];
const key = "mien-review-" + seed + "-" + ids.join("|");
const rater = document.getElementById("rater");
function read() {
  return cards.map((card, k) => {
    const chosen = card.querySelector("input[type=radio]:checked");
    return { id: ids[k], mark: chosen ? chosen.value : null, note: card.querySelector(".remark").value };
  });
}
function keep() {
  const rows = read();
  try { localStorage.setItem(key, JSON.stringify({ rater: rater.value, rows })); } catch (error) { }
  document.getElementById("done").textContent = rows.filter(r => r.mark).length + " of " + rows.length + " marked";
}
try {
  const old = JSON.parse(localStorage.getItem(key));
  rater.value = old.rater;
  old.rows.forEach((row, k) => {
    cards[k].querySelectorAll("input[type=radio]").forEach(b => { b.checked = b.value === row.mark; });
    cards[k].querySelector(".remark").value = row.note;
  });
} catch (error) { }
document.addEventListener("input", keep);
document.getElementById("save").addEventListener("click", () => {
  const lines = read().filter(r => r.mark).map(r => JSON.stringify({ ...r, rater: rater.value, seed }) + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = "marks-" + (rater.value || "rater") + ".jsonl";
  link.click();
});
keep();
