// One MCP client of the TypeScript SDK, which asks again with the same client and transport
// whenever it is sent a line: node client.mjs URL TOKEN TOOL ARGUMENTS [legacy|auto].
// Its packages are those of the folder that it is run in.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");

const [url, token, tool, args, mode = "auto"] = process.argv.slice(2);
const client = new Client(
  { name: "antiphon-tests", version: "1" },
  { versionNegotiation: { mode } },
);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});

async function ask() {
  // Without it, the second list would come from the client's own cache.
  const { tools } = await client.listTools(undefined, { cacheMode: "refresh" });
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  console.log(JSON.stringify({ tools: tools.map(({ name }) => name), result }));
}

await client.connect(transport);
await ask();
for await (const _ of createInterface({ input: process.stdin })) await ask();
await client.close();
