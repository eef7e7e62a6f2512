"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const list = $("cards");
  const cards = [...list.querySelectorAll("details.card")];
  const text = (card) => card.dataset.search.toLowerCase();
  const has = (card, tag) => ` ${card.dataset.tags} `.includes(` ${tag} `);
  const orders = {
    place: (card) => Number(card.dataset.place),
    change: (card) => -Number(card.dataset.change),
    fit: (card) => Number(card.dataset.fit),
    value: (card) => -Number(card.dataset.value),
  };
  const count = () => {
    const shown = cards.filter((card) => !card.hidden).length;
    $("count").textContent = `${shown} of ${cards.length} instances shown`;
  };
  const show = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [kind, reason, tag] = ["class", "reason", "finding"].map((n) => $(`filter-${n}`).value);
    for (const card of cards) {
      const kept =
        (!kind || card.dataset.class === kind) &&
        (!reason || card.dataset.reason === reason) &&
        (!tag || has(card, tag)) &&
        words.every((word) => text(card).includes(word));
      card.hidden = !kept;
    }
    count();
  };
  const sort = () => {
    const by = orders[$("sort").value];
    cards.sort((a, b) => by(a) - by(b) || orders.place(a) - orders.place(b));
    list.append(...cards);
  };
  const open = (all) => cards.forEach((card) => card.hidden || (card.open = all));
  const reveal = (card) => {
    card.hidden = false;
    card.open = true;
    card.querySelector("summary").focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
    count();
  };
  for (const id of ["filter-class", "filter-reason", "filter-finding"]) $(id).onchange = show;
  $("search").oninput = show;
  $("sort").onchange = sort;
  $("expand").onclick = () => open(true);
  $("collapse").onclick = () => open(false);
  $("start-over").onclick = () => {
    $("controls").reset();
    sort();
    show();
  };
  $("controls").onsubmit = (event) => event.preventDefault();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  $("theme").onclick = () => {
    const root = document.documentElement;
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  };
  for (const button of document.querySelectorAll("button[data-to]")) {
    button.onclick = () => {
      const card = cards.find((own) => own.dataset.key === button.dataset.to);
      const part = $(button.dataset.to);
      if (card) reveal(card);
      else if (part) {
        part.scrollIntoView({ block: "start" });
        part.focus({ preventScroll: true });
      }
    };
    // The instance may have failed, or be beyond those that the page shows.
    button.disabled = !cards.some((own) => own.dataset.key === button.dataset.to) && !$(button.dataset.to);
    button.hidden = false;
  }
  for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  show();
})();
