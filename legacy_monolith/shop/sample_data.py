"""The sample shop: the same rows on every machine, by arithmetic and not by chance."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

OPENED = datetime(2025, 11, 1, 9, 0, 0, tzinfo=UTC)

PEOPLE = (
    ("alice", "Alice Adler"),
    ("bob", "Bob Brandt"),
    ("admin", "Ada Admin"),
    ("carol", "Carol Čapek"),
    ("dave", "Dave Dietrich"),
    ("erin", "Erin Engel"),
    ("frank", "Frank Fischer"),
    ("grace", "Grace Gómez"),
    ("heidi", "Heidi Huber"),
    ("ivan", "Ivan Ivanov"),
    ("judy", "Judy Jensen"),
    ("karl", "Karl Køhler"),
    ("laura", "Laura Löwe"),
    ("mallory", "Mallory Meyer"),
    ("niaj", "Niaj Noor"),
    ("olivia", "Olivia O'Neill"),
    ("peggy", "Peggy Park"),
    ("quentin", "Quentin Quist"),
    ("rupert", "Rupert Roß"),
    ("sybil", "Sybil Sørensen"),
)
STAFF = frozenset({"admin"})
INACTIVE = frozenset({"mallory"})
WITH_PASSWORD = ("alice", "bob", "admin", "carol")  # NAME-password

SHELVES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("books", "Books", ("Atlas of Rivers", "Bread at Home", "Letters from Århus", "The Quiet Engine",
                        "Field Guide to Mosses")),
    ("kitchen", "Kitchen", ("Café au Lait Bowl", "Cast Iron Pan", "Oak Chopping Board", "Milk Jug",
                            "Paring Knife")),
    ("garden", "Garden", ("Hand Trowel", "Watering Can", "Seed Box", "Pruning Shears", "Clay Pot")),
    ("music", "Music", ("Piano Études", "Travel Ukulele", "Brass Metronome", "Nylon Strings",
                        "Vinyl Brush")),
    ("outdoors", "Outdoors", ("Two-Person Tent", "Enamel Mug", "Wool Blanket", "Head Torch",
                              "Folding Stool")),
    ("stationery", "Stationery", ("Fountain Pen", "Dotted Notebook", "Wax Seal", "Drafting Pencil",
                                  "Letter Opener")),
    ("toys", "Toys & Games", ("Wooden Train", "Kite", "Marble Run", "Jigsaw 100% Sky", "Tin Robot")),
    ("lighting", "Lighting", ("Desk Lamp", "Paper Lantern", "Reading Light", "Garden Lantern",
                              "Glühbirne E27")),
)  # fmt: skip
EDITIONS = (
    ("", "The one most people take home."),
    (" – Large", "Half as big again, and made to last."),
    (" – Gift Set", "Wrapped in paper with a ribbon; \"merci\" on the card."),
)  # fmt: skip


class SampleUser(NamedTuple):
    """A row of users."""

    id: int
    name: str
    full_name: str
    is_staff: bool
    is_active: bool
    created_at: datetime


class SampleProduct(NamedTuple):
    """A row of products."""

    id: int
    sku: str
    name: str
    description: str
    category_id: int
    price_cents: int
    stock: int
    created_at: datetime


class SampleOrder(NamedTuple):
    """A row of orders; `lines` are product ids and quantities."""

    id: int
    user_id: int
    status: str
    lines: tuple[tuple[int, int], ...]
    created_at: datetime


def users() -> Iterator[SampleUser]:
    """Twenty people, alice first."""
    for index, (name, full_name) in enumerate(PEOPLE):
        yield SampleUser(
            id=index + 1,
            name=name,
            full_name=full_name,
            is_staff=name in STAFF,
            is_active=name not in INACTIVE,
            created_at=OPENED + timedelta(days=index, minutes=7 * index),
        )


def products() -> Iterator[SampleProduct]:
    """Three editions of five products on each of eight shelves: 120."""
    number = 0
    for shelf, (slug, _, names) in enumerate(SHELVES, start=1):
        for index, (name, (edition, text)) in enumerate(
            (name, edition) for name in names for edition in EDITIONS
        ):
            number += 1
            yield SampleProduct(
                id=number,
                sku=f"{slug[:3].upper()}-{index + 1:03d}",
                name=name + edition,
                description=f"{name}. {text}",
                category_id=shelf,
                price_cents=350 + (number * 737) % 9650,
                # Every ninth product is sold out.
                stock=0 if number % 9 == 0 else 5 + (number * 31) % 95,
                created_at=OPENED + timedelta(hours=5 * number, seconds=13 * number),
            )


def orders() -> Iterator[SampleOrder]:
    """A hundred orders, most of them paid, of all users but the inactive."""
    buyers = [user.id for user in users() if user.is_active]
    for index in range(100):
        count = 1 + index % 3
        lines = tuple(((index * 7 + line * 41) % 120 + 1, 1 + (index + line) % 4) for line in range(count))
        yield SampleOrder(
            id=index + 1,
            user_id=buyers[(index * 5) % len(buyers)],
            status="cancelled" if index % 11 == 10 else "pending" if index % 5 == 4 else "paid",
            lines=lines,
            created_at=OPENED + timedelta(days=40, hours=9 * index, minutes=index),
        )
