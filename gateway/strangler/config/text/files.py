"""Files that a section of the YAML names: found beside the YAML, read at once, and watched from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from strangler.config.text.document import Document, Step
from strangler.config.text.environment import Substituted
from strangler.config.text.problems import Problem


@dataclass(slots=True)
class FileReader:
    """Reads the files of the section at `path`; what is wrong with them is added to `problems`.

    `files` are all that were named, so that a change of one calls for loading
    again.
    """

    path: tuple[Step, ...]
    document: Document
    problems: list[Problem]
    files: list[Path] = field(default_factory=list)

    def complain(self, field: str, message: str, hint: str | None = None) -> None:
        """Add a problem with what stands under `field`."""
        name = ".".join(map(str, self.path))
        place = self.document.source(*self.path, field)
        self.problems.append(Problem(place, f"{name}: {message}", hint))

    def file(self, field: str, name: str) -> Path:
        """A path beside the YAML file that names it."""
        file = Path(self.document.source(*self.path, field).file).parent.absolute() / name
        self.files.append(file)
        return file

    def read(self, field: str, file: Path) -> bytes | None:
        """The content, or None and a problem."""
        try:
            return file.read_bytes()
        except OSError as error:
            self.complain(field, f"{file} can't be read: {error.strerror or error}")
            return None

    def secret(self, field: str) -> bytes | None:
        """What a secret's whole `${NAME}` or `file:PATH` stands for; None and a problem where it is neither."""
        written = self.document.get(*self.path, field)
        content = written.content if written is not None else None
        if not isinstance(content, str):
            return None
        if content.startswith("file:"):
            secret = self.read(field, self.file(field, content.removeprefix("file:")))
            return None if secret is None else secret.rstrip(b"\r\n")
        if isinstance(content, Substituted) and content.whole:
            return content.encode("utf-8", "surrogateescape")
        self.complain(field, "a secret must not be in the configuration", "write ${NAME} or file:PATH")
        return None
