"""Azure's Python SDK, unmodified, reading secrets through the handler as any app of the tenant may."""

import os
import time
import unittest
from datetime import datetime, timezone
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import SecretClient
from requests.adapters import HTTPAdapter

URL = os.environ["APP_URL"]
FIRST, SECOND = os.environ["FIRST_VERSION"], os.environ["SECOND_VERSION"]


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


class Token:
    """A credential that has its token already."""

    def get_token(self, *_, **__):
        return AccessToken(os.environ["APP_TOKEN"], int(time.time()) + 3600)


class Handler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.adapter = ToThisMachine(int(os.environ["APP_PORT"]))
        session = requests.Session()
        session.mount("https://", cls.adapter)
        # The challenge names the audience, which this host is below: the SDK verifies that, as it is built to. A second
        # try would hide a failure.
        cls.client = SecretClient(URL, Token(), transport=RequestsTransport(session=session), retry_total=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def refused(self, error, status, code, name):
        with self.assertRaises(error) as caught:
            self.client.get_secret(name)
        self.assertEqual((caught.exception.status_code, caught.exception.error.code), (status, code))

    def test_the_current_version_and_any_other_are_read(self):
        current = self.client.get_secret("APP-key")
        self.assertEqual((current.value, current.name), ("žluťoučký кот 🐈", "app-key"))
        self.assertEqual(current.id, f"https://{urlsplit(URL).netloc}/secrets/app-key/{SECOND}")
        self.assertIsNone(current.properties.tags)

        old = self.client.get_secret("app-key", FIRST)
        self.assertEqual((old.value, old.properties.version), ("one", FIRST))
        expires_on = datetime(2037, 1, 1, tzinfo=timezone.utc)
        self.assertEqual((old.properties.content_type, old.properties.expires_on), ("text/plain", expires_on))
        self.assertLess(abs(old.properties.created_on.timestamp() - time.time()), 600)
        self.assertTrue(old.properties.enabled)

        # The first request of all was challenged, whichever test it was in.
        self.assertEqual(self.adapter.sent.count((False, 401)), 1)
        self.assertEqual(self.adapter.sent[0], (False, 401))

    def test_what_is_not_served_is_the_error_that_the_sdk_knows(self):
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", "app-missing")
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", "not-allowed")
        self.refused(HttpResponseError, 403, "Forbidden", "app-disabled")
        self.refused(HttpResponseError, 403, "Forbidden", "app-expired")
        self.refused(HttpResponseError, 400, "BadParameter", "app_key")

    def test_where_an_origin_is_required_the_client_is_refused_until_it_sends_an_allowed_one(self):
        session = requests.Session()
        session.mount("https://", ToThisMachine(int(os.environ["STRICT_PORT"])))
        transport = RequestsTransport(session=session)
        with SecretClient(URL, Token(), transport=transport, retry_total=0) as client:
            with self.assertRaises(HttpResponseError) as caught:
                client.get_secret("app-key")
            self.assertEqual(caught.exception.status_code, 403)
            secret = client.get_secret("app-key", headers={"Origin": os.environ["ORIGIN"]})
            self.assertEqual(secret.value, "žluťoučký кот 🐈")


if __name__ == "__main__":
    unittest.main()
