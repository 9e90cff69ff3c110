"""The handler as it stands in Azure: behind TLS, asked by apps whose tokens come from their managed identity.

python app.py HANDLER ROOT CERTIFICATE

The vault and its identity endpoint are those that the environment names. Writes its certificate to the file
CERTIFICATE, prints the settings of its callers as the emulator does, and runs until SIGTERM.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HOST = "secrets.contoso.example"
# The SDK answers a challenge when its own host is below the one that the challenge names.
AUDIENCE = "https://contoso.example"
ROLE = "Secrets.Read.All"
KID = "app"
TENANT = str(uuid.uuid4())
IDENTITY_HEADER = str(uuid.uuid4())
SIGNING_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing: the tests do."""

    def answer(self, status, body, headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Entra(Service):
    """The identity endpoint of a caller, and the metadata and keys that its tokens for the handler are verified with.

    Tokens for anything else are the emulator's: the SDK asks one endpoint for as long as a process lives.
    """

    def do_GET(self):
        url = urlsplit(self.path)
        authority = f"http://{self.headers['Host']}/{TENANT}"
        if url.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            document = {"issuer": f"{authority}/v2.0", "jwks_uri": f"{authority}/keys"}
        elif url.path == f"/{TENANT}/keys":
            key = jwt.algorithms.RSAAlgorithm.to_jwk(SIGNING_KEY.public_key(), as_dict=True)
            document = {"keys": [{**key, "kid": KID, "use": "sig"}]}
        elif url.path == "/msi/token" and self.headers["X-IDENTITY-HEADER"] == IDENTITY_HEADER:
            if parse_qs(url.query)["resource"] == [AUDIENCE]:
                document = token(f"{authority}/v2.0")
            else:
                document = emulated_token(url.query)
        else:
            return self.answer(404, b"{}")
        self.answer(200, json.dumps(document).encode(), [("Content-Type", "application/json")])


def token(issuer):
    now = int(time.time())
    caller = str(uuid.uuid4())
    claims = {
        "ver": "2.0", "iss": issuer, "aud": AUDIENCE, "tid": TENANT, "iat": now, "nbf": now, "exp": now + 3600,
        "azp": caller, "oid": caller, "roles": [ROLE],
    }
    bearer = jwt.encode(claims, SIGNING_KEY, algorithm="RS256", headers={"kid": KID})
    return {"access_token": bearer, "expires_on": str(now + 3600), "resource": AUDIENCE, "token_type": "Bearer"}


def emulated_token(query):
    header = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
    with urlopen(Request(f"{os.environ['IDENTITY_ENDPOINT']}?{query}", headers=header)) as response:
        return json.load(response)


class FrontEnd(Service):
    """Takes TLS off, and passes requests on to the handler."""

    handler_port = None

    def do_GET(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.handler_port)
        connection.request(self.command, self.path, headers=dict(self.headers))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        framing = ("connection", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in framing]
        self.answer(response.status, body, headers)


def serve(service, context=None):
    """Serves on a free port of 127.0.0.1 for as long as this process lives, and returns the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), service)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def tls(certificate_file):
    """TLS with a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    names = [x509.DNSName(HOST), x509.IPAddress(IPv4Address("127.0.0.1"))]
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    with open(certificate_file, "wb") as file:
        file.write(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The standard library takes keys from files only.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def start_handler(executable, root, port, authority):
    """The handler as the Functions host starts it."""
    settings = {
        "ALLOWED_ORIGINS": "https://app.contoso.example",
        # Outside of a browser the SDK sends no Origin.
        "REQUIRE_ORIGIN": "false",
        "ALLOWED_SECRETS": "app-*",
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_AUDIENCE": AUDIENCE,
        "ENTRA_REQUIRED_ROLES": ROLE,
        "ENTRA_AUTHORITY_HOST": authority,
        "FUNCTIONS_CUSTOMHANDLER_PORT": str(port),
        "FUNCTIONS_APP_ROOT_PATH": root,
        "WEBSITE_HOSTNAME": HOST,
        # It warns of what is meant here.
        "RUST_LOG": "error",
    }
    for name in ("KEY_VAULT_URL", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "SSL_CERT_FILE"):
        settings[name] = os.environ[name]
    return subprocess.Popen([executable], env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait_until_it_listens(handler, port):
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if handler.poll() is not None or time.monotonic() > deadline:
                sys.exit("the handler does not serve")
            time.sleep(0.025)


def main():
    executable, root, certificate_file = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # Bound and not listening: nobody else is given this port, and the handler may share it.
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    FrontEnd.handler_port = reserved.getsockname()[1]

    authority = f"http://127.0.0.1:{serve(Entra)}"
    handler = start_handler(executable, root, FrontEnd.handler_port, authority)
    try:
        wait_until_it_listens(handler, FrontEnd.handler_port)
        port = serve(FrontEnd, tls(certificate_file))
        for name, value in {
            "APP_URL": f"https://{HOST}/api",
            "APP_PORT": str(port),
            "IDENTITY_ENDPOINT": f"{authority}/msi/token",
            "IDENTITY_HEADER": IDENTITY_HEADER,
        }.items():
            print(f"{json.dumps(name)}: {json.dumps(value)}")
        print("Stop it with SIGTERM.", flush=True)
        signal.pause()
    finally:
        handler.terminate()
        handler.wait()


main()
