"""The handler as it stands in Azure, behind TLS and with Entra on, and Azure's SDKs asking it: python app.py LAB COMMAND...

LAB is the test kit's lab. Each COMMAND, a line of words, runs with the settings of its callers in the environment; the
first that fails ends this, with its exit code.
"""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone

HOST = "secrets.contoso.example"
# An SDK answers a challenge when its own host is below the one that the challenge names.
AUDIENCE = "https://contoso.example"
SCOPE = "secrets.read"
ORIGIN = "https://app.contoso.com"
EXPIRED = datetime(2020, 1, 1, tzinfo=timezone.utc)
# The JavaScript SDK keeps seconds in a signed number of 32 bits.
EXPIRES = datetime(2037, 1, 1, tzinfo=timezone.utc)


class Lab:
    def __init__(self, executable):
        self.process = subprocess.Popen([executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.start = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the lab has ended; it says why above")
        return json.loads(line)

    def do(self, command, **details):
        self.process.stdin.write(json.dumps({"do": command, **details}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def put(self, name, value, **details):
        return self.do("put", name=name, value=value, **details)["version"]


def main():
    executable, *commands = sys.argv[1:]
    lab = Lab(executable)
    first = lab.put("app-key", "one", contentType="text/plain", expires=int(EXPIRES.timestamp()))
    second = lab.put("app-key", "žluťoučký кот 🐈", tags={"team": "front end"})
    lab.put("app-disabled", "value", disabled=True)
    lab.put("app-expired", "value", expires=int(EXPIRED.timestamp()))
    lab.put("not-allowed", "value")
    settings = {
        "ALLOWED_SECRETS": "app-*",
        "ALLOWED_ORIGINS": ORIGIN,
        # Outside of a browser the SDK sends no Origin.
        "REQUIRE_ORIGIN": "false",
        "ENTRA_TENANT_ID": lab.start["tenant"],
        "ENTRA_AUDIENCE": AUDIENCE,
        "ENTRA_REQUIRED_SCOPES": SCOPE,
        "ENTRA_AUTHORITY_HOST": lab.start["authority"],
        "WEBSITE_HOSTNAME": HOST,
    }
    handler = lab.do("handler", settings=settings)
    front = lab.do("tls-front", port=handler["port"])
    strict = lab.do("handler", settings={**settings, "REQUIRE_ORIGIN": "true"})
    strict_front = lab.do("tls-front", port=strict["port"])
    certificate = lab.start["environment"]["SSL_CERT_FILE"]
    callers = {
        "APP_URL": f"https://{HOST}/api",
        "APP_PORT": str(front["port"]),
        # The same app with REQUIRE_ORIGIN on, and an origin that it allows.
        "STRICT_PORT": str(strict_front["port"]),
        "ORIGIN": ORIGIN,
        "APP_TOKEN": lab.do("token", audience=AUDIENCE, scope=SCOPE)["token"],
        "FIRST_VERSION": first,
        "SECOND_VERSION": second,
        # Python trusts this authority alone, Node.js this one too.
        "NODE_EXTRA_CA_CERTS": certificate,
        "REQUESTS_CA_BUNDLE": certificate,
    }
    # Everything stays on this machine.
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    for command in commands:
        code = subprocess.run(command.split(), env={**inherited, **callers}).returncode
        if code:
            sys.exit(code)


main()
