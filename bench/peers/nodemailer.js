// nodemailer's pool: the same list, personalised the same way, over so many connections.
// node nodemailer.js MODULES PORT CONNECTIONS LIST HTML [KEY]
const [modules, port, connections, list, html, key] = process.argv.slice(2);
const nodemailer = require(modules + "/nodemailer");
const fs = require("fs");
const body = fs.readFileSync(html, "utf8");
const options = {
  pool: true, host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true,
  maxConnections: Number(connections), maxMessages: Infinity,
};
if (key) options.dkim = { domainName: "exemple.fr", keySelector: "s1", privateKey: fs.readFileSync(key, "utf8") };
const transport = nodemailer.createTransport(options);
const rows = fs.readFileSync(list, "utf8").trim().split("\n").slice(1).map((row) => row.split(","));
let waiting = rows.length;
const start = process.hrtime.bigint();
for (const [address, name] of rows) {
  transport.sendMail({
    from: '"Service de presse Exemple" <presse@exemple.fr>', to: address, subject: "L’usine de Grenoble rouvre",
    text: "Bonjour " + name, html: body.replace("{{name}}", name),
    list: { unsubscribe: "mailto:presse+stop@exemple.fr" },
  }, (error) => {
    if (error) { console.error(error); process.exit(1); }
    if (--waiting === 0) {
      console.log(Number(process.hrtime.bigint() - start) / 1e9);
      transport.close();
    }
  });
}
