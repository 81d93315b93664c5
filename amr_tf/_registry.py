"""Named plug-ins of one kind: this package's own and those that a user registers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

Plugin = TypeVar("Plugin")

# Modules whose classes a saved model may name, besides Keras and this package.
_trusted: set[str] = set()


class Registry(Mapping[str, Plugin], Generic[Plugin]):
    """Plug-ins by name, in the order in which they were registered.

    Example:
        >>> list(amr_tf.heads.HEADS)[:2]
        ['concat', 'sum']
        >>> amr_tf.methods.METHODS.find("ogm").help
        'slows the encoder that is ahead (Peng 2022)'

    Args:
        kind: String, what the plug-ins are, for messages, e.g. `method`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._plugins: dict[str, Plugin] = {}
        self._places: dict[str, str] = {}

    def register(self, name: str, plugin: Plugin, definition: Any = None) -> Plugin:
        """Registers a plug-in under a name.

        Args:
            name: String, a lower-case identifier, as it is written in flags.
            plugin: Object, the plug-in.
            definition: Class or function that defines it; by default the plug-in itself. Its
                module is trusted from now on when saved models are loaded.

        Returns:
            The plug-in.

        Raises:
            ValueError: The name is not a lower-case identifier, or another plug-in has it.
        """
        if not name.isidentifier() or name != name.lower():
            raise ValueError(
                f"the name of each {self.kind} is a lower-case identifier, not {name!r}"
            )
        definition = plugin if definition is None else definition
        # a module that is imported again defines its plug-ins again
        place = f"{definition.__module__}.{definition.__qualname__}"
        if self._places.setdefault(name, place) != place:
            raise ValueError(f"there is a {self.kind} {name!r} already: {self._places[name]}")
        self._plugins[name] = plugin
        trust(definition.__module__)
        return plugin

    def find(self, name: str) -> Plugin:
        """The plug-in of a name.

        Raises:
            ValueError: There is none; the message lists the existing ones.
        """
        if name not in self._plugins:
            raise ValueError(
                f"no {self.kind} {name!r}: there are {', '.join(self)}; name a module that "
                "registers another with --plugins"
            )
        return self._plugins[name]

    def __getitem__(self, name: str) -> Plugin:
        return self._plugins[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)


def check_options(owner: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuses options that a plug-in does not have.

    Args:
        owner: String, the name of what takes the options, for the message.
        given: Strings, the names of the options that are given.
        known: Strings, the names of all existing options.

    Raises:
        ValueError: There is no such option.
    """
    for option in given:
        if option not in known:
            raise ValueError(
                f"{owner} has no option {option!r}: it has {', '.join(known) or 'none'}"
            )


def trust(module: str) -> None:
    """Lets saved models name the classes of a module; they may name registered plug-ins' anyway.

    Args:
        module: String, the module's name, e.g. `my_project.layers`.
    """
    if module.split(".")[0] != __name__.split(".")[0]:
        _trusted.add(module)


def is_trusted(module: str) -> bool:
    """Whether saved models may name the classes of a module."""
    return module.split(".")[0] == __name__.split(".")[0] or module in _trusted
