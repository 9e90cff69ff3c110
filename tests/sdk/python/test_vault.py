"""Azure's Python SDK, unmodified, against the emulator over TLS."""

import os
import time
import unittest
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from client import connect

VAULT = os.environ["KEY_VAULT_URL"]
PORT = urlsplit(VAULT).port

# The challenge names vault.azure.net, and `localhost` is no host below it: everybody who points the SDK at the
# emulator has to turn this verification off. The last two tests have it on.
UNVERIFIED = {"verify_challenge_resource": False}


class Vault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client, _ = connect(VAULT, PORT, **UNVERIFIED)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def refused(self, error, status, code, operation, *arguments, **options):
        """Fails unless the operation ends in this error of the vault's."""
        with self.assertRaises(error) as caught:
            operation(*arguments, **options)
        self.assertEqual((caught.exception.status_code, caught.exception.error.code), (status, code))

    def not_found(self, operation, *arguments, **options):
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", operation, *arguments, **options)

    def test_properties_go_round(self):
        options = {
            "content_type": "text/plain; charset=utf-8",
            "enabled": True,
            "not_before": datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            "expires_on": datetime(2040, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            "tags": {"team": "front end", "ключ": "значение"},
        }

        put = self.client.set_secret("py-properties", "value", **options)
        got = self.client.get_secret("py-properties")

        self.assertEqual(got.value, "value")
        for secret in (put, got):
            properties = secret.properties
            self.assertEqual({name: getattr(properties, name) for name in options}, options)
            self.assertRegex(properties.version, "^[0-9a-f]{32}$")
            self.assertEqual(secret.id, f"{VAULT}/secrets/py-properties/{properties.version}")
            self.assertEqual((properties.vault_url, secret.name), (VAULT, "py-properties"))
            self.assertLess(abs(properties.created_on.timestamp() - time.time()), 60)
            self.assertEqual(properties.updated_on, properties.created_on)
            self.assertEqual(properties.recovery_level, "Recoverable+Purgeable")
            self.assertEqual(properties.recoverable_days, 90)
        self.assertEqual(got.id, put.id)

    def test_what_is_not_set_is_absent(self):
        properties = self.client.set_secret("py-bare", "value").properties

        self.assertTrue(properties.enabled)
        for name in ("content_type", "not_before", "expires_on", "tags", "managed", "key_id"):
            self.assertIsNone(getattr(properties, name), name)

    def test_each_value_is_a_version_and_names_have_no_case(self):
        first = self.client.set_secret("py-Versions", "one")
        second = self.client.set_secret("PY-versions", "two")
        self.assertNotEqual(first.properties.version, second.properties.version)

        current = self.client.get_secret("py-VERSIONS")
        self.assertEqual((current.value, current.properties.version), ("two", second.properties.version))
        old = self.client.get_secret("py-versions", first.properties.version)
        self.assertEqual((old.value, old.properties.version), ("one", first.properties.version))

    def test_values_keep_every_character_up_to_25_kb(self):
        limit = 25 * 1024
        for value in ("", " \t\r\n ", "\"\\/<>&'%2F\0\x7f", "žluťoučký кот 猫 🐈‍⬛ e\u0301", "x" * limit):
            self.client.set_secret("py-value", value)
            self.assertEqual(self.client.get_secret("py-value").value, value)
        too_long = "x" * (limit + 1)
        self.refused(HttpResponseError, 400, "BadParameter", self.client.set_secret, "py-value", too_long)

    def test_properties_are_updated_one_by_one_and_the_value_stays(self):
        before = {"content_type": "text/plain", "tags": {"a": "1", "b": "2"}}
        before["expires_on"] = datetime(2039, 1, 1, tzinfo=timezone.utc)
        version = self.client.set_secret("py-update", "one", **before).properties.version
        self.client.set_secret("py-update", "two")

        expires_on = datetime(2040, 1, 1, tzinfo=timezone.utc)
        updated = self.client.update_secret_properties("py-update", version, expires_on=expires_on, tags={"c": "3"})

        got = self.client.get_secret("py-update", version)
        self.assertEqual(got.value, "one")
        for properties in (updated, got.properties):
            self.assertEqual(properties.content_type, "text/plain")
            self.assertEqual((properties.expires_on, properties.tags), (expires_on, {"c": "3"}))
        self.assertIsNone(self.client.get_secret("py-update").properties.expires_on)

        current = self.client.update_secret_properties("py-update", content_type="text/html")
        self.assertNotEqual(current.version, version)
        self.assertEqual(self.client.get_secret("py-update").properties.content_type, "text/html")

    def test_a_disabled_secret_is_listed_and_not_read_until_it_is_enabled(self):
        version = self.client.set_secret("py-disabled", "value", enabled=False).properties.version

        self.refused(HttpResponseError, 403, "Forbidden", self.client.get_secret, "py-disabled")
        (listed,) = self.client.list_properties_of_secret_versions("py-disabled")
        self.assertEqual((listed.version, listed.enabled), (version, False))

        self.client.update_secret_properties("py-disabled", enabled=True)
        self.assertEqual(self.client.get_secret("py-disabled").value, "value")

    def test_an_expired_and_a_not_yet_valid_secret_are_read_like_any_other(self):
        self.client.set_secret("py-expired", "value", expires_on=datetime(2020, 1, 1, tzinfo=timezone.utc))
        self.assertEqual(self.client.get_secret("py-expired").value, "value")
        self.client.set_secret("py-early", "value", not_before=datetime(2040, 1, 1, tzinfo=timezone.utc))
        self.assertEqual(self.client.get_secret("py-early").value, "value")

    def test_what_is_not_there_is_secret_not_found(self):
        client, absent = self.client, "0" * 32
        client.set_secret("py-there", "value")

        self.not_found(client.get_secret, "py-missing")
        self.not_found(client.get_secret, "py-there", absent)
        self.not_found(client.update_secret_properties, "py-missing", enabled=False)
        self.not_found(client.update_secret_properties, "py-there", absent, enabled=False)
        self.not_found(client.begin_delete_secret, "py-missing")
        self.not_found(client.get_deleted_secret, "py-there")
        self.not_found(client.begin_recover_deleted_secret, "py-missing")
        self.not_found(client.purge_deleted_secret, "py-there")
        self.refused(HttpResponseError, 400, "BadParameter", client.get_secret, "py_no_name")
        self.assertEqual(list(client.list_properties_of_secret_versions("py-missing")), [])

    def test_secrets_are_listed_page_by_page_without_values(self):
        names = [f"py-list-{number:02}" for number in range(30)]
        for name in names:
            self.client.set_secret(name, "value", content_type=name)

        for options, size in (({}, 25), ({"max_page_size": 7}, 7)):
            pages = [list(page) for page in self.client.list_properties_of_secrets(**options).by_page()]
            self.assertEqual({len(page) for page in pages[:-1]}, {size})
            listed = [item for page in pages for item in page if item.name.startswith("py-list-")]
            self.assertEqual([item.name for item in listed], names)
            for item in listed:
                expected = (None, f"{VAULT}/secrets/{item.name}", item.name, True)
                self.assertEqual((item.version, item.id, item.content_type, item.enabled), expected)

    def test_versions_are_listed_page_by_page(self):
        versions = [self.client.set_secret("py-many", str(number)).properties.version for number in range(30)]

        pages = [list(page) for page in self.client.list_properties_of_secret_versions("py-many").by_page()]

        self.assertEqual([len(page) for page in pages], [25, 5])
        self.assertEqual(sorted(item.version for page in pages for item in page), sorted(versions))

    def test_a_deleted_secret_is_recovered_with_all_its_versions_or_purged(self):
        client = self.client
        first = client.set_secret("py-delete", "one").properties.version
        second = client.set_secret("py-delete", "two").properties.version

        poller = client.begin_delete_secret("py-delete")
        poller.wait()
        deleted = poller.result()
        self.assertEqual(deleted.recovery_id, f"{VAULT}/deletedsecrets/py-delete")
        self.assertEqual(deleted.scheduled_purge_date - deleted.deleted_date, timedelta(days=90))
        self.not_found(client.get_secret, "py-delete")
        self.not_found(client.get_secret, "py-delete", first)
        self.refused(ResourceExistsError, 409, "Conflict", client.set_secret, "py-delete", "three")
        got = client.get_deleted_secret("py-delete")
        self.assertEqual((got.name, got.deleted_date), ("py-delete", deleted.deleted_date))

        poller = client.begin_recover_deleted_secret("py-delete")
        poller.wait()
        self.assertEqual((poller.result().name, poller.result().version), ("py-delete", second))
        self.assertEqual(client.get_secret("py-delete").value, "two")
        self.assertEqual(len(list(client.list_properties_of_secret_versions("py-delete"))), 2)
        self.not_found(client.get_deleted_secret, "py-delete")

        client.begin_delete_secret("py-delete").wait()
        client.purge_deleted_secret("py-delete")
        self.not_found(client.get_deleted_secret, "py-delete")
        client.set_secret("py-delete", "four")
        self.assertEqual(len(list(client.list_properties_of_secret_versions("py-delete"))), 1)

    def test_deleted_secrets_are_listed_page_by_page(self):
        names = ["py-gone-1", "py-gone-2", "py-gone-3"]
        for name in names:
            self.client.set_secret(name, "value")
            self.client.begin_delete_secret(name).wait()

        pages = [list(page) for page in self.client.list_deleted_secrets(max_page_size=1).by_page()]

        self.assertEqual({len(page) for page in pages}, {1})
        listed = [item for page in pages for item in page if item.name.startswith("py-gone-")]
        self.assertEqual([item.name for item in listed], names)
        for item in listed:
            self.assertLess(abs(item.deleted_date.timestamp() - time.time()), 60)


class Challenge(unittest.TestCase):
    """The SDK remembers challenges by host for the whole process, so each test has a host of its own.

    No URL here has a port: the SDK takes it for a part of the domain that it verifies, so only 443 would do.
    """

    def connect(self, url, **options):
        client, sent = connect(url, PORT, **options)
        self.addCleanup(client.close)
        return client, sent

    def test_the_first_request_is_challenged_and_a_managed_identitys_token_goes_with_all_others(self):
        client, sent = self.connect("https://vault.fabrikam.example", **UNVERIFIED)

        client.set_secret("py-challenge", "one")
        client.get_secret("py-challenge")

        self.assertEqual(sent, [(False, 401), (True, 200), (True, 200)])

    def test_a_challenge_for_vault_azure_net_is_not_answered_at_another_host(self):
        client, sent = self.connect("https://vault.contoso.example")

        with self.assertRaisesRegex(ValueError, "does not match the requested domain"):
            client.get_secret("maps-key")

        self.assertEqual(sent, [(False, 401)])

    def test_a_challenge_for_vault_azure_net_is_answered_at_a_host_below_it(self):
        # Lists would not do: their links to the next page name `localhost`.
        client, sent = self.connect("https://emulated-vault.vault.azure.net")

        self.assertEqual(client.get_secret("maps-key").properties.content_type, "text/plain")

        self.assertEqual(sent, [(False, 401), (True, 200)])


if __name__ == "__main__":
    unittest.main()
