// clankers: reports sessions and tool calls of OpenCode to the clankers daemon, and nothing if
// none listens. Installed and removed by `clankers-cli install opencode`.
// https://opencode.ai/docs/plugins; the protocol: docs/reference/daemon.md of clankers.
import net from "node:net";
import os from "node:os";
import path from "node:path";

function socketPath() {
  const env = process.env;
  if (env.CLANKERS_SOCKET_PATH) return env.CLANKERS_SOCKET_PATH;
  const home = os.homedir();
  const root =
    env.CLANKERS_DATA_PATH ||
    (process.platform === "darwin"
      ? path.join(home, "Library", "Application Support")
      : env.XDG_DATA_HOME || path.join(home, ".local", "share"));
  return path.join(root, "clankers", "dxta-clankers.sock");
}

// Nobody waits for this: events may come in any order, and OpenCode goes on at once.
function call(method, params) {
  const envelope = { schemaVersion: "v1", client: { name: "clankers-opencode" } };
  const request = { jsonrpc: "2.0", id: 1, method, params: { ...envelope, ...params } };
  const body = Buffer.from(JSON.stringify(request), "utf8");
  const socket = net.createConnection(socketPath());
  const done = () => socket.destroy();
  socket.setTimeout(30000, done);
  socket.on("error", done);
  socket.on("data", done);
  socket.on("connect", () => {
    socket.write(`Content-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
}

function session(info) {
  const told = { id: info.id, source: "opencode" };
  if (info.title) told.title = info.title;
  if (info.directory) {
    told.projectPath = info.directory;
    told.projectName = path.basename(info.directory);
  }
  if (info.time?.created) told.createdAt = info.time.created;
  if (info.time?.updated) told.updatedAt = info.time.updated;
  call("upsertSession", { session: told });
}

// Of a long output the beginning, and how many bytes it has.
function output(value) {
  const toolOutput = JSON.stringify(value ?? null);
  const outputBytes = Buffer.byteLength(toolOutput);
  if (outputBytes <= 10240) return { toolOutput };
  return { toolOutput: JSON.stringify(toolOutput.slice(0, 10240)), outputBytes };
}

export const Clankers = async () => {
  const inputs = new Map();
  const tool = (input, more) =>
    call("upsertTool", {
      tool: {
        id: `${input.sessionID}-${input.tool}-${input.callID}`,
        sessionId: input.sessionID,
        toolName: input.tool,
        ...more,
      },
    });
  return {
    event: async ({ event }) => {
      if (event.type !== "session.created" && event.type !== "session.updated") return;
      if (event.properties?.info?.id) session(event.properties.info);
    },
    "tool.execute.before": async (input, given) => {
      inputs.set(input.callID, JSON.stringify(given?.args ?? null));
      tool(input, { toolInput: inputs.get(input.callID) });
    },
    "tool.execute.after": async (input, result) => {
      const toolInput = inputs.get(input.callID);
      inputs.delete(input.callID);
      tool(input, { toolInput, ...output(result?.output), success: true });
    },
  };
};
