"""Settings of the shop. What differs between machines comes from the environment (see README.md)."""

import os
import tempfile
from pathlib import Path

from shop.environment import flag, header, items, required

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = flag("DEBUG")
DEVELOPMENT = DEBUG or flag("SHOP_DEVELOPMENT")

# Development values are public, so a deployment that forgot its secrets must not start with them.
SECRET_KEY = required("SECRET_KEY", "development-only-not-a-secret-" * 2 if DEVELOPMENT else None)

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *items("ALLOWED_HOSTS")]

# Behind a proxy, and only where that proxy overwrites these headers.
USE_X_FORWARDED_HOST = flag("USE_X_FORWARDED_HOST")
SECURE_PROXY_SSL_HEADER = header("SECURE_PROXY_SSL_HEADER")
CSRF_TRUSTED_ORIGINS = items("CSRF_TRUSTED_ORIGINS")

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = flag("COOKIES_SECURE")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_strangler",
    "shop",
    "accounts",
    "catalog",
    "orders",
    "payments",
]

# Everything that adds a header to every response stands outside of what may answer 304.
MIDDLEWARE = [
    # Outside of everything, so that a shadow copy is undone with all that the others do.
    "django_strangler.middleware.GatewayMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "shop.middleware.ConditionalResponseMiddleware",
    "shop.middleware.AbsoluteRedirectMiddleware",
    "shop.middleware.ApiWithoutCookiesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_strangler.tokens.middleware.TokenMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "orders.cart.cart_size",
            ],
        },
    },
]

DATABASE_PATH = Path(os.environ.get("DATABASE_PATH") or BASE_DIR / "var" / "shop.sqlite3").absolute()
DATABASE_PATH.parent.mkdir(parents=True, exist_ok=True)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE_PATH,
        "CONN_MAX_AGE": None,
        # A file and not memory: tests of concurrency need real locks. One a process, so that runs don't meet.
        "TEST": {"NAME": Path(tempfile.gettempdir()) / f"shop-test-{os.getpid()}.sqlite3"},
        "OPTIONS": {
            # A transaction takes the write lock when it begins, so what it read stays true until it ends.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/account/"

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # serves the apps' files under any server, with no collect step

TOKEN_ISSUER = "https://id.shop.example"
TOKEN_AUDIENCE = "shop"
TOKEN_LIFETIME = 3600  # seconds
JWT_SIGNING_KEY = Path(
    required(
        "JWT_SIGNING_KEY",
        str(BASE_DIR.parent / "config" / "dev" / "signing-key.pem") if DEVELOPMENT else None,
    )
)

_GATEWAY_SECRET = os.environ.get("STRANGLER_SECRET") or (
    "development-only-shared-with-the-gateway" if DEVELOPMENT else None
)
# Without a secret, the shop knows nothing of a gateway.
STRANGLER = {
    "SECRETS": [_GATEWAY_SECRET] if _GATEWAY_SECRET else [],
    "IDENTITY_ID": "subject",
    "SCOPES": "accounts.identity.scopes_of",
    "USER": "accounts.identity.user_of",
    "GATEWAYS": items("STRANGLER_GATEWAYS"),
    "KEYS": os.environ.get("STRANGLER_KEYS", ""),
    "AUDIENCE": "monolith",
}
SILENCED_SYSTEM_CHECKS = [
    # The shop's extracted services set no cookies, and serve its paths with a slash alone.
    "strangler.W030",
    "strangler.W031",
    "strangler.W040",
    # On a developer's machine, clients use localhost.
    *(["strangler.W010"] if DEVELOPMENT else []),
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "loggers": {
        # Every 4xx would be a line here; the access log of whoever stands in front has them already.
        "django.request": {"level": "ERROR"},
        # A stack trace for every scanner that makes up a Host.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
    },
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO").upper()},
}
