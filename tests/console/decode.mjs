// Takes the texts on standard input apart, one in JSON a line, as the console does; prints what it finds, one line each.

import { createInterface } from "node:readline";

const { decode } = await import(new URL("../../server/console/lib/decode.js", import.meta.url));

for await (const line of createInterface({ input: process.stdin })) {
  const { findings, fields, kit, repaired } = decode(JSON.parse(line));
  const told = {
    codes: findings.map(({ code }) => code),
    fields: fields.map(({ name, from, to }) => [name, from, to]),
    kit: kit ? [kit.appId, kit.userId, kit.roomId ?? null, kit.userName] : null,
    repaired: repaired ?? null,
  };
  console.log(JSON.stringify(told));
}
