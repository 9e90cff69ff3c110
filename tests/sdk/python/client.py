"""Clients of Azure's own SDK, and how they reach this machine under names that the DNS does not give it."""

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from requests.adapters import HTTPAdapter


class ToThisMachine(HTTPAdapter):
    """Connects to a port of 127.0.0.1 whatever the host, with TLS verified for that address, and records what it
    sends: whether each request had a token, and the status of its answer.
    """

    def __init__(self, port):
        self.port = port
        self.sent = []
        super().__init__()

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return {**host, "host": "127.0.0.1", "port": self.port}, pool

    def send(self, request, *args, **kwargs):
        response = super().send(request, *args, **kwargs)
        self.sent.append(("Authorization" in request.headers, response.status_code))
        return response


def connect(url, port, **options):
    """A client with a credential that reads IDENTITY_ENDPOINT and IDENTITY_HEADER, and the requests that it sends."""
    adapter = ToThisMachine(port)
    session = requests.Session()
    session.mount("https://", adapter)
    transport = RequestsTransport(session=session)
    # A second try would hide a failure.
    client = SecretClient(url, ManagedIdentityCredential(), transport=transport, retry_total=0, **options)
    return client, adapter.sent
