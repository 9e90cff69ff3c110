"""Azure's Python SDK, unmodified, reading secrets through the handler as any app of the tenant may."""

import os
import unittest
from datetime import datetime, timezone
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from client import connect

URL = os.environ["APP_URL"]
PORT = int(os.environ["APP_PORT"])
VAULT = os.environ["KEY_VAULT_URL"]


class Handler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault, _ = connect(VAULT, urlsplit(VAULT).port, verify_challenge_resource=False)
        # The challenge names the audience, which this host is below: the SDK verifies that, as it is built to.
        cls.client, cls.sent = connect(URL, PORT)

    @classmethod
    def tearDownClass(cls):
        cls.vault.close()
        cls.client.close()

    def refused(self, error, status, code, name):
        with self.assertRaises(error) as caught:
            self.client.get_secret(name)
        self.assertEqual((caught.exception.status_code, caught.exception.error.code), (status, code))

    def test_the_current_version_and_any_other_are_read(self):
        expires_on = datetime(2040, 1, 1, tzinfo=timezone.utc)
        first = self.vault.set_secret("app-py", "one", content_type="text/plain", expires_on=expires_on)
        second = self.vault.set_secret("app-py", "žluťoučký кот 🐈", tags={"team": "front end"})

        current = self.client.get_secret("APP-py")
        self.assertEqual((current.value, current.name), ("žluťoučký кот 🐈", "app-py"))
        self.assertEqual(current.id, f"https://{urlsplit(URL).netloc}/secrets/app-py/{second.properties.version}")
        self.assertIsNone(current.properties.tags)

        old = self.client.get_secret("app-py", first.properties.version)
        self.assertEqual((old.value, old.properties.version), ("one", first.properties.version))
        self.assertEqual((old.properties.content_type, old.properties.expires_on), ("text/plain", expires_on))
        self.assertEqual(old.properties.created_on, first.properties.created_on)
        self.assertTrue(old.properties.enabled)

        # The first request of all was challenged, whichever test it was in.
        self.assertEqual(self.sent.count((False, 401)), 1)
        self.assertEqual(self.sent[0], (False, 401))

    def test_what_is_not_served_is_the_error_that_the_sdk_knows(self):
        self.vault.set_secret("py-not-allowed", "value")
        self.vault.set_secret("app-py-disabled", "value", enabled=False)
        self.vault.set_secret("app-py-expired", "value", expires_on=datetime(2020, 1, 1, tzinfo=timezone.utc))

        self.refused(ResourceNotFoundError, 404, "SecretNotFound", "app-py-missing")
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", "py-not-allowed")
        self.refused(HttpResponseError, 403, "Forbidden", "app-py-disabled")
        self.refused(HttpResponseError, 403, "Forbidden", "app-py-expired")
        self.refused(HttpResponseError, 400, "BadParameter", "app_py")


if __name__ == "__main__":
    unittest.main()
