// Runs one of our boards on a real MicroPython. Usage: node micropython.mjs play < scenario.json, or
// node micropython.mjs serve KIND: there lines "PORT HEX" come in, and lines "PORT HEX" go out.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const tests = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(tests, "../..");
const { loadMicroPython } = await import(
  path.join(root, "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs")
);

const write = (text) => fs.writeSync(1, text);
process.on("uncaughtException", (error) => {
  fs.writeSync(2, `${error.message}\n`);  // not the library's one line of 100 KB
  process.exit(1);
});
const micropython = await loadMicroPython({ heapsize: 512 * 1024, stdout: write, linebuffer: false });

// The board's flash: only what README.md says is to be copied there.
const boards = "firmware_bridges/boards";
const flashed = fs
  .readFileSync(path.join(root, boards, "flash.txt"), "utf8")
  .split("\n")
  .filter((name) => name);
micropython.FS.mkdirTree(boards);
for (const name of flashed) {
  micropython.FS.writeFile(`${boards}/${name}`, fs.readFileSync(path.join(root, boards, name)));
}
for (const name of ["scenario.py", "vectors.py", "machine.py", "hardware.py"]) {
  micropython.FS.writeFile(name, fs.readFileSync(path.join(tests, name)));
}

const [mode, kind] = process.argv.slice(2);
if (mode === "play") {
  micropython.FS.writeFile("scenario.json", fs.readFileSync(0));
  micropython.runPython(`
import json
from scenario import play
with open("scenario.json") as file:
    asked = json.load(file)
print(json.dumps([play(*each[:3], boot=each[3], has_indicator=each[4]) for each in asked]))
`);
} else if (mode === "compile") {
  micropython.globals.set("names", flashed.join(" "));
  micropython.runPython(`
for name in names.split():
    with open("${boards}/" + name) as file:
        compile(file.read(), name, "exec")
    print(name)
`);
} else if (mode === "hardware") {
  micropython.runPython("import hardware");
} else if (mode === "vectors") {
  micropython.runPython("import vectors\nprint(vectors.results())");
} else {
  micropython.runPython(`
from firmware_bridges.boards.virtual import VirtualHal, make_board
from scenario import SERIAL
hal = VirtualHal(SERIAL, 17)
board = make_board("${kind}", hal)
def feed(port, data):
    getattr(hal, port).feed(bytes.fromhex(data))
def step(now_ms):
    board.step(now_ms)
    return hal.host.take().hex() or ""  # MicroPython's hex() of nothing is b""
`);
  const feed = micropython.globals.get("feed");
  const step = micropython.globals.get("step");
  const start = performance.now();
  readline
    .createInterface({ input: process.stdin })
    .on("line", (line) => feed(...line.split(" ")))
    .on("close", () => process.exit(0));
  setInterval(() => {
    const sent = step(Math.floor(performance.now() - start));
    if (sent) write(`host ${sent}\n`);
  }, 5);
}
