// Upyo's pool with priorities over two SMTP servers: one message a recipient, one line told of each.
//   node upyo.mjs PRIMARY_PORT SPARE_PORT TIMEOUT_S < addresses
import { createInterface } from "node:readline";
import { createMessage } from "@upyo/core";
import { PoolTransport } from "@upyo/pool";
import { SmtpTransport } from "@upyo/smtp";

const [primary, spare, timeout] = process.argv.slice(2).map(Number);
const relay = (port) =>
  new SmtpTransport({ host: "127.0.0.1", port, secure: false, connectionTimeout: timeout * 1000, socketTimeout: timeout * 1000 });
const pool = new PoolTransport({
  strategy: "priority",
  transports: [
    { transport: relay(primary), priority: 100 },
    { transport: relay(spare), priority: 50 },
  ],
  maxRetries: 2,
  timeout: timeout * 1000,
});
for await (const address of createInterface({ input: process.stdin })) {
  let told = "failed";
  try {
    const message = createMessage({ from: "presse@exemple.fr", to: address, subject: "Essai", content: { text: "Bonjour\n" } });
    const receipt = await pool.send(message);
    if (receipt.successful) told = "accepted";
  } catch {
    told = "failed";
  }
  process.stdout.write(`${told} ${address}\n`);
}
process.exit(0);
