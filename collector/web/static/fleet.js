// The editors: a problem's link leads to its line, a button chooses all gateways. Everything else works without scripts.

const editor = document.getElementById("toml");

for (const link of document.querySelectorAll("[data-line]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const lines = editor.value.split("\n");
    const line = Math.min(Number(link.dataset.line), lines.length);
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    editor.focus();
    editor.setSelectionRange(start, start + lines[line - 1].length);
    editor.scrollTop = (line - 4) * Number.parseFloat(getComputedStyle(editor).lineHeight);
  });
}

for (const button of document.querySelectorAll("[data-choose-all]")) {
  const boxes = [...document.querySelectorAll("input[name=gateway]")];
  button.hidden = boxes.length < 2;
  button.addEventListener("click", () => {
    const all = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = all;
  });
}
