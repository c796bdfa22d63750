"""Settings that come from the environment."""

import os
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory, SimpleTestCase

from shop import environment, errors


class Environment(SimpleTestCase):
    def test_flags(self) -> None:
        for text, value in {"1": True, "Yes": True, "0": False, "": False}.items():
            with mock.patch.dict(os.environ, {"X_FLAG": text}):
                self.assertIs(environment.flag("X_FLAG"), value)
        with mock.patch.dict(os.environ, {"X_FLAG": "maybe"}), self.assertRaises(ImproperlyConfigured):
            environment.flag("X_FLAG")

    def test_lists(self) -> None:
        with mock.patch.dict(os.environ, {"X_LIST": " a, b,,"}):
            self.assertEqual(environment.items("X_LIST"), ["a", "b"])

    def test_secrets_have_no_default_outside_of_development(self) -> None:
        with mock.patch.dict(os.environ, {"X_SECRET": ""}):
            self.assertEqual(environment.required("X_SECRET", "dev"), "dev")
            with self.assertRaises(ImproperlyConfigured):
                environment.required("X_SECRET", None)

    def test_headers(self) -> None:
        for text, value in {
            "": None,
            "X-Forwarded-Proto: https": ("HTTP_X_FORWARDED_PROTO", "https"),
            "HTTP_X_FORWARDED_PROTO:https": ("HTTP_X_FORWARDED_PROTO", "https"),
        }.items():
            with mock.patch.dict(os.environ, {"X_HEADER": text}):
                self.assertEqual(environment.header("X_HEADER"), value)
        with mock.patch.dict(os.environ, {"X_HEADER": "https"}), self.assertRaises(ImproperlyConfigured):
            environment.header("X_HEADER")


class Failures(SimpleTestCase):
    def test_a_failure_is_json_on_the_api_and_a_page_elsewhere(self) -> None:
        api = errors.server_error(RequestFactory().get("/api/orders"))
        self.assertEqual(
            (api.status_code, api.content),
            (500, b'{"error":{"code":"internal_error","message":"Something went wrong."}}'),
        )
        self.assertIn(b"<h1>", errors.server_error(RequestFactory().get("/")).content)
