"""The interface of a data set: it lists its clips, and tells tools what they need to know."""

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tfrecords.datasets.listing import Listing, SourceError
from tfrecords.tasks import MULTICLASS, OPTION


@dataclasses.dataclass(frozen=True)
class About:
    """The text about a data set in model cards.

    Attributes:
        what: String, a sentence that says what the set is.
        licence: String, the licence of the clips.
        limits: String, what follows for the use of a model, a sentence or two.
        get: String, where the set comes from.
    """

    what: str = "Clips of the user's own."
    licence: str = "That of the clips."
    limits: str = "What the clips do not show, the model does not know."
    get: str = ""


@dataclasses.dataclass(frozen=True)
class Votes:
    """The judgements of people on clips, as a reference for models.

    Attributes:
        recognised: Function, (names of N clips, names of their classes) -> whether people voted on
            each, `[N]`, and a mapping, what they were given -> whether most of them recognised the
            class, `[N]`.
        alone: Mapping, what people were given where they were given one modality -> the modality.
    """

    recognised: Callable[[Sequence[str], Sequence[str]], tuple[Any, Mapping[str, Any]]]
    alone: Mapping[str, str]


def option(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    """A field of a data set that is also a flag of `tfrecords.build`.

    Args:
        default: Value that holds where the flag is not given: a boolean, integer, number, string,
            tuple of strings, or None for a string that is not given.
        text: String, the flag's help.
        choices: Strings, the values that it can take; all if there are none.
    """
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


@dataclasses.dataclass(frozen=True)
class Dataset(abc.ABC):
    """A data set. A subclass is a frozen dataclass whose fields, made by `option`, are its options.

    Example:
        >>> @tfrecords.datasets.register("mine")
        ... @dataclasses.dataclass(frozen=True)
        ... class Mine(Dataset):
        ...     help = "clips that are named after their class: dog_001.mp4"
        ...
        ...     def listing(self, source, validation_fraction, seed):
        ...         ...  # returns a `Listing`

    Attributes:
        name: String, the name under which the set is registered.
        help: String, what `--source` holds, in one line.
        about: About, the text about it in model cards.
        fps: Number, the stored frames a second, unless the build says otherwise.
        validation_fraction: Number, the share of the training clips that becomes validation, unless
            the build says otherwise.
        required: Strings, the modalities without which a clip is refused, unless the build says
            otherwise; None for all of the listing's.
        own: Boolean, whether the clips are the user's own: the set's name then says nothing of
            them, and runs are named after the directory of the records.
        recipes: Mapping, name -> flags of `trainers.fit`, published ways to train on the set.
        published: String, a table in Markdown of published results, to show beside new ones.
    """

    name: ClassVar[str] = ""
    help: ClassVar[str] = ""
    about: ClassVar[About] = About()
    fps: ClassVar[float] = 4.0
    validation_fraction: ClassVar[float] = 0.15
    required: ClassVar[tuple[str, ...] | None] = None
    own: ClassVar[bool] = False
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    published: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuses, by a SourceError, a value that is not one of an option's choices."""
        for field in dataclasses.fields(self):
            choices, value = field.metadata.get("choices"), getattr(self, field.name)
            if choices and value not in choices:
                raise SourceError(f"--{field.name}={value} is not one of {', '.join(choices)}")

    @abc.abstractmethod
    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips.

        Args:
            source: Path of `--source`.
            validation_fraction: Number, the share of the training clips that becomes validation,
                where the set has no validation split of its own.
            seed: Integer, the seed of all draws.

        Returns:
            The listing.

        Raises:
            SourceError: The source cannot be used; the message says which file and what to do.
        """

    def prepare(  # noqa: B027  (most sets need nothing)
        self, source: pathlib.Path, seed: int, workers: int, progress: bool
    ) -> None:
        """Makes missing files of the source before it is listed; most sets need nothing.

        Args:
            source: Path of `--source`.
            seed: Integer, the seed of all draws.
            workers: Integer, the number of processes to use.
            progress: Boolean, whether to show progress.
        """

    def identity(self) -> dict[str, Any]:
        """The options that decide the records, besides the list of clips."""
        fields = dataclasses.asdict(self)
        if fields.get(OPTION) == MULTICLASS:
            del fields[OPTION]  # sets that were begun before there were others can go on
        # lists of clips may move: what they list counts
        return {name: value for name, value in fields.items() if name not in ("labels", "classes")}

    def demo(self, preset: str) -> "Dataset | None":
        """The set that a first run makes by itself, by the run's preset; None for most sets."""
        del preset
        return None

    def votes(self, path: pathlib.Path) -> Votes:
        """Reads the votes of people, for sets that have such a file.

        Args:
            path: Path of the file.

        Raises:
            ValueError: The set has no such file, or this is another file.
            OSError: It cannot be read.
        """
        raise ValueError(f"--votes={path}: {self.name} has no votes of people")
