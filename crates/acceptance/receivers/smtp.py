"""A mail server that keeps what it takes: the first line printed is its port, then comes a line of JSON for each mail.
It ends when its standard input does. WEBHOOK_SECRET says how it is to be, as JSON: "port" (0 for any), "refuse" (an answer
to every recipient), "certificate" and "key" (files; STARTTLS is required then), "user" and "password" (asked for then)."""

import asyncio
import json
import os
import ssl
import sys
from email import policy
from email.parser import BytesParser

from aiosmtpd.smtp import SMTP, AuthResult

wanted = json.loads(os.environ["WEBHOOK_SECRET"])


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if "refuse" in wanted:
            return wanted["refuse"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = BytesParser(policy=policy.default).parsebytes(envelope.content)
        names, headers = mail.keys(), {name.lower(): str(value) for name, value in mail.items()}
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        envelope_to = ",".join(envelope.rcpt_tos)
        body = json.dumps({"to": envelope_to, "tls": session.ssl is not None, "user": session.auth_data, "parts": parts})
        print(json.dumps({"accepted": True, "status": 250, "names": names, "headers": headers, "body": body}), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    given = (data.login.decode(), data.password.decode())
    if given == (wanted["user"], wanted["password"]):
        return AuthResult(success=True, auth_data=given[0])
    return AuthResult(success=False, handled=False)


options = {}
if "certificate" in wanted:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(wanted["certificate"], wanted["key"])
    options |= {"tls_context": context, "require_starttls": True}
if "user" in wanted:
    options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": "certificate" in wanted}


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keep(), **options), "127.0.0.1", wanted.get("port", 0))
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(serve())
