"""aiosmtplib: so many clients in turn over the same list, built with the standard library's e-mail package.

python aiosmtplib_pool.py PORT CONNECTIONS LIST HTML
"""

import asyncio
import sys
import time
from email.message import EmailMessage

import aiosmtplib


def message(address, name, html):
    mail = EmailMessage()
    mail["From"] = "Service de presse Exemple <presse@exemple.fr>"
    mail["To"] = address
    mail["Subject"] = "L’usine de Grenoble rouvre"
    mail["List-Unsubscribe"] = "<mailto:presse+stop@exemple.fr>"
    mail.set_content("Bonjour " + name)
    mail.add_alternative(html.replace("{{name}}", name), subtype="html")
    return mail


async def worker(port, queue, html):
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False)
    await client.connect()
    while queue:
        address, name = queue.pop()
        await client.send_message(message(address, name, html))
    await client.quit()


async def main():
    port, connections, rows, html = sys.argv[1:]
    queue = [row.split(",")[:2] for row in open(rows, encoding="utf-8").read().split("\n")[1:] if row]
    text = open(html, encoding="utf-8").read()
    start = time.perf_counter()
    await asyncio.gather(*(worker(int(port), queue, text) for _ in range(int(connections))))
    print(time.perf_counter() - start)


asyncio.run(main())
