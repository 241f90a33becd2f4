// A client in another language: frames requests as docs/reference/daemon.md says, one connection
// a call. Reads steps from standard input, a JSON array of {send, raw, close}, and writes what
// came back for each: an array of bodies, or null where the connection was dropped.
import net from "node:net";

const path = process.argv[2];
const steps = JSON.parse(await new Response(process.stdin).text());

function frame(body) {
  const bytes = Buffer.from(body, "utf8");
  return Buffer.concat([Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n`), bytes]);
}

function bodies(bytes) {
  const found = [];
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return found;
    const header = bytes.subarray(0, end).toString("latin1");
    const match = /^Content-Length: (\d+)$/.exec(header);
    if (match === null) throw new Error(`unknown header: ${header}`);
    const length = Number(match[1]);
    found.push(JSON.parse(bytes.subarray(end + 4, end + 4 + length).toString("utf8")));
    bytes = bytes.subarray(end + 4 + length);
  }
}

function run(step) {
  return new Promise((resolve) => {
    const received = [];
    let failed = false;
    const socket = net.createConnection({ path, allowHalfOpen: true });
    socket.on("connect", () => {
      const message =
        step.raw !== undefined
          ? Buffer.from(step.raw, "latin1")
          : frame(typeof step.send === "string" ? step.send : JSON.stringify(step.send));
      if (step.close === "at once") {
        socket.write(message, () => socket.destroy());
        resolve([]);
        return;
      }
      socket.write(message);
      socket.end(); // Half-closed: the answer is still to come.
    });
    socket.on("data", (piece) => received.push(piece));
    socket.on("error", () => { failed = true; });
    socket.on("close", () => resolve(failed && received.length === 0 ? null : bodies(Buffer.concat(received))));
    socket.on("end", () => socket.destroy());
  });
}

const answers = [];
for (const step of steps) answers.push(await run(step));
process.stdout.write(JSON.stringify(answers));
