"use strict";
// filters the questions, opens the one that an address names, and opens what is folded before printing
const form = document.getElementById("filter");
const all = [...document.querySelectorAll(".case")];
const said = new Map();  // the words of a question, read when they are first searched
const words = one => {
  if (!said.has(one)) said.set(one, one.textContent.toLowerCase());
  return said.get(one);
};
const became = one => new Map(one.dataset.outcomes.split("|").map(pair => pair.split("=")));
const fits = (one, wanted) => {
  for (const name of ["condition", "lang", "type"])
    if (wanted[name] && one.dataset[name] !== wanted[name]) return false;
  const outcomes = became(one);
  for (const n of ["1", "2"]) {
    const arm = wanted["arm" + n], outcome = wanted["outcome" + n];
    if (!outcome) continue;
    if (arm ? outcomes.get(arm) !== outcome : ![...outcomes.values()].includes(outcome)) return false;
  }
  if (wanted.blame && !one.dataset.blame.split("|").includes(wanted.blame)) return false;
  return wanted.words.toLowerCase().split(/\s+/).every(word => !word || words(one).includes(word));
};
const filter = () => {
  const wanted = { words: "", ...Object.fromEntries(new FormData(form)) };
  let left = 0;
  for (const one of all) {
    one.hidden = !fits(one, wanted);
    left += !one.hidden;
  }
  document.getElementById("left").textContent = `${left} of ${all.length} shown`;
};
const named = () => {
  const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!one || !one.classList.contains("case")) return;
  if (one.hidden) { form.reset(); filter(); }
  one.open = true;
  one.scrollIntoView();
};
if (form) {
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("open").addEventListener("click", () => {
    const some = all.filter(one => !one.hidden), open = some.some(one => !one.open);
    for (const one of some) one.open = open;
  });
  addEventListener("hashchange", named);
  filter();
  named();
}
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details.more")) one.open = true; });
