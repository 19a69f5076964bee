"use strict";
// filters the questions, opens the question of the URL fragment, and unfolds everything before printing
const form = document.getElementById("filter");
const all = [...document.querySelectorAll(".case")];
const texts = new Map();  // lower-case text of each question, read at its first search
const textOf = card => {
  if (!texts.has(card)) texts.set(card, card.textContent.toLowerCase());
  return texts.get(card);
};
const outcomesOf = card => new Map(card.dataset.outcomes.split("|").map(pair => pair.split("=")));
const matches = (card, wanted) => {
  for (const name of ["condition", "lang", "type"])
    if (wanted[name] && card.dataset[name] !== wanted[name]) return false;
  const outcomes = outcomesOf(card);
  for (const n of ["1", "2"]) {
    const arm = wanted["arm" + n], outcome = wanted["outcome" + n];
    if (!outcome) continue;
    if (arm ? outcomes.get(arm) !== outcome : ![...outcomes.values()].includes(outcome)) return false;
  }
  if (wanted.blame && !card.dataset.blame.split("|").includes(wanted.blame)) return false;
  return wanted.words.toLowerCase().split(/\s+/).every(word => !word || textOf(card).includes(word));
};
const filter = () => {
  const wanted = { words: "", ...Object.fromEntries(new FormData(form)) };
  let left = 0;
  for (const card of all) {
    card.hidden = !matches(card, wanted);
    left += !card.hidden;
  }
  document.getElementById("left").textContent = `${left} of ${all.length} shown`;
};
const openLinked = () => {
  const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!card || !card.classList.contains("case")) return;
  if (card.hidden) { form.reset(); filter(); }
  card.open = true;
  card.scrollIntoView();
};
if (form) {
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("open").addEventListener("click", () => {
    const shown = all.filter(card => !card.hidden), open = shown.some(card => !card.open);
    for (const card of shown) card.open = open;
  });
  addEventListener("hashchange", openLinked);
  filter();
  openLinked();
}
addEventListener("beforeprint", () => { for (const card of document.querySelectorAll("details.more")) card.open = true; });
