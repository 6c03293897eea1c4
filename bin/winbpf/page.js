"use strict";
const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
for (const section of all("section.program")) {
  const link = document.createElement("a");
  link.href = "#" + section.id;
  link.textContent = section.querySelector("h2").textContent;
  link.className = section.dataset.verdict === "accept" ? "" : "bad";
  document.getElementById("programs").append(link);
  const rows = all("tr[data-insn]", section);
  const go = (insn) => {
    const row = rows.find((r) => r.dataset.insn === insn);
    for (const r of rows) r.classList.toggle("chosen", r === row);
    if (row) row.scrollIntoView({ block: "center" });
  };
  for (const block of all(".block", section)) {
    block.addEventListener("click", () => {
      for (const b of all(".block", section)) b.classList.toggle("chosen", b === block);
      go(block.dataset.block);
    });
  }
  for (const event of all("li[data-insn]", section)) event.addEventListener("click", () => go(event.dataset.insn));
  for (const row of rows) {
    const mark = (on) => {
      if (row.dataset.line === "0") return;
      for (const r of rows) if (r.dataset.line === row.dataset.line) r.classList.toggle("same", on);
    };
    row.addEventListener("mouseenter", () => mark(true));
    row.addEventListener("mouseleave", () => mark(false));
  }
}
document.body.dataset.ready = "yes";
